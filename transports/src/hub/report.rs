//! Node reports: one file a node, which only that node writes.

use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::name::NodeId;
use depsync_engine::path::RelPath;
use depsync_engine::transport::{MAX_REPORT, NodeReport};

use super::layout;
use super::reading::Reading;

/// How many nodes a deployment may have.
const MAX_NODES: usize = 100_000;

/// Writes this node's report.
pub(super) fn write(hub: &Reading<'_>, report: &NodeReport) -> Result<()> {
    let bytes = report.to_bytes()?;
    if bytes.len() > MAX_REPORT {
        return Err(Error::new(ErrorKind::Usage, "a report of more than 64 KiB"));
    }
    // Not into a directory that an unmounted hub has left behind.
    super::identity::confirm(hub.cx, hub.storage, hub.hub)?;
    hub.cx.step("hub.report");
    hub.storage.replace(hub.cx, &layout::report(hub.deployment, &report.node), &bytes)
}

/// Reads every report that reads. One that does not is passed over: it must not hide the others.
pub(super) fn read(hub: &Reading<'_>) -> Result<Vec<NodeReport>> {
    let mut reports = Vec::new();
    for (node, name) in nodes(hub)? {
        hub.cx.check()?;
        let read = hub.get(&name, MAX_REPORT).and_then(|bytes| NodeReport::parse(&bytes));
        match read {
            Ok(report) if report.node == node => reports.push(report),
            Ok(report) => tracing::warn!(%name, said = %report.node, "a report names another node than its file"),
            Err(error)
                if matches!(error.kind(), ErrorKind::Damaged | ErrorKind::NotFound | ErrorKind::PermissionDenied) =>
            {
                tracing::warn!(%name, %error, "a report cannot be read");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(reports)
}

fn nodes(hub: &Reading<'_>) -> Result<Vec<(NodeId, RelPath)>> {
    let listed = hub.storage.list(hub.cx, Some(&layout::reports(hub.deployment)), MAX_NODES)?;
    let node = |name: &[u8]| std::str::from_utf8(name).ok()?.strip_suffix(".json")?.parse::<NodeId>().ok();
    let nodes = listed.iter().filter_map(|listed| node(&listed.name));
    Ok(nodes.map(|node| (node.clone(), layout::report(hub.deployment, &node))).collect())
}

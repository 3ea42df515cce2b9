//! What can be measured of the daemons of this process, for Prometheus; and whether they are well.

use std::fmt::{Debug, Error};
use std::sync::{Arc, Mutex, PoisonError};

use depsync_engine::context::{Clock as _, SystemClock};
use depsync_engine::daemon::{Facts, Vitals, Work};
use depsync_engine::estate::EstateFacts;
use depsync_transports::Tally;
use depsync_transports::channel::Status;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

/// What is registered, as a page.
fn page_of(registry: &Registry) -> String {
    let mut out = String::new();
    if let Err(error) = text::encode(&mut out, registry) {
        tracing::warn!(%error, "the metrics cannot be written");
    }
    out
}

/// See the module.
pub(crate) struct Metrics {
    vitals: Vec<Vitals>,
    registry: Registry,
}

impl Metrics {
    /// Of these daemons, and of what each has asked its hub for.
    pub(crate) fn new(daemons: Vec<(Vitals, Tally)>) -> Self {
        let mut registry = Registry::with_prefix("depsync");
        let vitals = daemons.iter().map(|(vitals, _)| vitals.clone()).collect();
        registry.register_collector(Box::new(Daemons(daemons)));
        Self { vitals, registry }
    }
}

impl Status for Metrics {
    fn metrics(&self) -> String {
        page_of(&self.registry)
    }

    fn is_well(&self) -> bool {
        self.vitals.iter().map(Vitals::now).all(|facts| facts.failing.is_none() && !facts.holds)
    }
}

#[derive(Debug)]
struct Daemons(Vec<(Vitals, Tally)>);

impl Collector for Daemons {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let facts: Vec<Facts> = self.0.iter().map(|(vitals, _)| vitals.now()).collect();
        let mut page = Page { encoder: &mut encoder, facts: &facts };
        page.gauge("head_revision", "The newest revision that this node knows of", |facts| number(facts.head))?;
        page.gauge("applied_revision", "The revision that this node has", |facts| number(facts.applied))?;
        page.gauge("lag_seconds", "For how long there has been a revision that this node has not", |facts| {
            let lag = facts.behind_since.map_or(0.0, |since| SystemClock.now().duration_since(since).as_secs_f64());
            Some(lag.max(0.0))
        })?;
        page.gauge("last_success_timestamp_seconds", "When the last turn that went well ended", |facts| {
            facts.well_at.map(|at| at.as_millisecond() as f64 / 1000.0)
        })?;
        page.gauge("failing", "How often in a row it has failed by now", |facts| {
            Some(facts.failing.map_or(0.0, |(failures, _)| f64::from(failures)))
        })?;
        page.gauge("drift_paths", "Paths that somebody has changed here, and that are left so", |facts| {
            Some(facts.drift as f64)
        })?;
        page.gauge("conflicts", "Paths that were changed here and in the hub", |facts| Some(facts.conflicts as f64))?;
        page.gauge("holds_revision", "Whether it has gone back from a revision that it was not well with", |facts| {
            Some(f64::from(u8::from(facts.holds)))
        })?;
        page.gauge("watching", "Whether the system tells what changes in the directory", |facts| {
            Some(f64::from(u8::from(facts.watching)))
        })?;
        page.counter("healed_paths", "Paths that were brought back", |facts| facts.healed as f64)?;
        page.work("publishes", "publish", "Revisions that were published", |facts| facts.published)?;
        page.work("updates", "update", "Updates that changed something", |facts| facts.updated)?;
        page.each("failures", "Turns that failed", MetricType::Counter, |facts| {
            facts.failures.iter().map(|(deed, count)| (Some(("deed", *deed)), *count as f64)).collect()
        })?;
        let mut asked = self.0.iter().map(|(_, tally)| tally.now());
        page.each("hub_operations", "What the hub was asked for", MetricType::Counter, |_| {
            let asked = asked.next().unwrap_or_default();
            asked.into_iter().map(|(operation, count)| (Some(("operation", operation)), count as f64)).collect()
        })?;
        page.each("nodes", "Nodes that this one has heard of, by how they stand", MetricType::Gauge, |facts| {
            facts.nodes.iter().map(|(state, count)| (Some(("state", state.name())), *count as f64)).collect()
        })
    }
}

fn number(revision: Option<u64>) -> Option<f64> {
    revision.map(|revision| revision as f64)
}

/// A value, and what it is of beside the node and the deployment.
type Value = (Option<(&'static str, &'static str)>, f64);

/// Writes metrics of all daemons.
struct Page<'a, 'b> {
    encoder: &'a mut DescriptorEncoder<'b>,
    facts: &'a [Facts],
}

impl Page<'_, '_> {
    fn gauge(&mut self, name: &str, help: &str, value: impl Fn(&Facts) -> Option<f64>) -> Result<(), Error> {
        self.each(name, help, MetricType::Gauge, |facts| value(facts).map(|value| (None, value)).into_iter().collect())
    }

    fn counter(&mut self, name: &str, help: &str, value: impl Fn(&Facts) -> f64) -> Result<(), Error> {
        self.each(name, help, MetricType::Counter, |facts| vec![(None, value(facts))])
    }

    fn work(&mut self, name: &str, deed: &str, help: &str, work: impl Fn(&Facts) -> Work) -> Result<(), Error> {
        self.counter(name, help, |facts| work(facts).count as f64)?;
        self.counter(&format!("{deed}_seconds"), "How long they took", |facts| work(facts).millis as f64 / 1000.0)?;
        self.counter(&format!("{deed}_bytes"), "What they moved", |facts| work(facts).bytes as f64)
    }

    fn each(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        mut values: impl FnMut(&Facts) -> Vec<Value>,
    ) -> Result<(), Error> {
        let mut family = self.encoder.encode_descriptor(name, help, None, kind)?;
        for facts in self.facts {
            for (of, value) in values(facts) {
                let mut labels = vec![("deployment", facts.deployment.as_str()), ("node", facts.node.as_str())];
                labels.extend(of);
                let metric = family.encode_family(&labels)?;
                match kind {
                    MetricType::Counter => ConstCounter::new(value).encode(metric)?,
                    _ => ConstGauge::new(value).encode(metric)?,
                }
            }
        }
        Ok(())
    }
}

/// The same of the daemon of many tenants: sums, since ten thousand of each would be a page of its own.
pub(crate) struct EstateMetrics {
    gauge: Arc<Mutex<EstateFacts>>,
    registry: Registry,
}

impl EstateMetrics {
    /// Of the estate whose facts these are, and of what its hub was asked for.
    pub(crate) fn new(gauge: Arc<Mutex<EstateFacts>>, tally: Tally) -> Self {
        let mut registry = Registry::with_prefix("depsync");
        registry.register_collector(Box::new(Tenants { gauge: Arc::clone(&gauge), tally }));
        Self { gauge, registry }
    }
}

impl Status for EstateMetrics {
    fn metrics(&self) -> String {
        page_of(&self.registry)
    }

    fn is_well(&self) -> bool {
        let facts = *self.gauge.lock().unwrap_or_else(PoisonError::into_inner);
        facts.failed == 0 && facts.deaf == 0
    }
}

#[derive(Debug)]
struct Tenants {
    gauge: Arc<Mutex<EstateFacts>>,
    tally: Tally,
}

impl Collector for Tenants {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let facts = *self.gauge.lock().unwrap_or_else(PoisonError::into_inner);
        let gauges = [
            ("tenants", "Tenants that this process knows of", facts.deployments),
            ("tenants_loaded", "Those that are kept in step here", facts.loaded),
            ("tenants_behind", "Those of them that are not in step", facts.behind),
            ("tenants_failing", "Those of them whose last turn failed", facts.failed),
            ("failing", "How often in a row the hub could not be asked", facts.deaf),
        ];
        for (name, help, value) in gauges {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(value as f64).encode(metric)?;
        }
        for (name, help, value) in [
            ("hub_questions", "How often the hub was asked for all", facts.asked),
            ("turns", "Turns so far", facts.turns),
        ] {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::new(value as f64).encode(metric)?;
        }
        let help = "What the hub was asked for";
        let mut family = encoder.encode_descriptor("hub_operations", help, None, MetricType::Counter)?;
        for (operation, count) in self.tally.now() {
            let labels = [("operation", operation)];
            ConstCounter::new(count as f64).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

//! The form for configuration management: a command that can be run again and again, and says by its exit status whether
//! it has changed anything. Both were run as they stand here (`tests/tests/advise`).

/// For Ansible.
pub(crate) const ANSIBLE: &str = "\
- name: deployment directory at the newest revision
  ansible.builtin.command: depsync update --detailed-exitcode --quiet /srv/deploy /mnt/hub
  register: depsync
  changed_when: depsync.rc == 10
  failed_when: depsync.rc not in [0, 10]
";

/// For Puppet: `unless` only looks.
pub(crate) const PUPPET: &str = "\
exec { 'deployment directory at the newest revision':
  command => 'depsync update --quiet /srv/deploy /mnt/hub',
  unless  => 'depsync update --dry-run --detailed-exitcode --quiet /srv/deploy /mnt/hub',
  path    => ['/usr/local/bin', '/usr/bin', '/bin'],
}
";

/// A number with as many digits as help.
pub(crate) fn amount(number: f64) -> String {
    match number {
        number if number >= 100.0 => format!("{number:.0}"),
        number if number >= 1.0 => format!("{number:.1}").trim_end_matches(".0").to_owned(),
        number => format!("{number:.2}"),
    }
}

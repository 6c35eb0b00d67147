//! Who has a port: /proc/net tells the socket's inode, the processes' descriptors tell whose it is. See proc_net(5).

use std::fs;
use std::os::unix::ffi::OsStrExt;

use super::Protocol;
use crate::error::PortHolder;

const TCP_LISTEN: &str = "0A";

/// The process with the lowest id that holds a socket bound to this port; of those that this user may look into.
pub(super) fn find(protocol: Protocol, port: u16) -> Option<PortHolder> {
    let tables = match protocol {
        Protocol::Tcp => ["tcp", "tcp6"],
        Protocol::Udp => ["udp", "udp6"],
        Protocol::Sctp => return None,
    };
    let inodes: Vec<u64> = tables
        .iter()
        .filter_map(|table| fs::read_to_string(format!("/proc/thread-self/net/{table}")).ok())
        .flat_map(|text| inodes(&text, protocol, port))
        .collect();
    if inodes.is_empty() {
        return None;
    }
    let targets: Vec<String> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
    let entries = fs::read_dir("/proc").ok()?.flatten();
    let mut pids: Vec<u32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    let pid = pids.into_iter().find(|pid| has_descriptor(*pid, &targets))?;
    let command = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    Some(PortHolder { pid, command: command.trim_end().to_owned() })
}

fn inodes(table: &str, protocol: Protocol, port: u16) -> Vec<u64> {
    let rows = table.lines().skip(1);
    rows.filter_map(|row| {
        let fields: Vec<&str> = row.split_ascii_whitespace().collect();
        let (_, local_port) = fields.get(1)?.rsplit_once(':')?;
        let is_ours = u16::from_str_radix(local_port, 16) == Ok(port);
        let is_open = protocol == Protocol::Udp || fields.get(3) == Some(&TCP_LISTEN);
        let inode = fields.get(9)?.parse().ok()?;
        (is_ours && is_open && inode != 0).then_some(inode)
    })
    .collect()
}

fn has_descriptor(pid: u32, targets: &[String]) -> bool {
    let links = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    links
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .any(|link| targets.iter().any(|target| target.as_bytes() == link.as_os_str().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
        0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1\n   \
        1: 0100007F:1F40 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 4712 1\n   \
        2: 00000000:1F41 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1\n";

    #[test]
    fn only_listeners_of_the_port_count() {
        assert_eq!(inodes(TABLE, Protocol::Tcp, 8000), [4711]);
        assert_eq!(inodes(TABLE, Protocol::Udp, 8001), [4713]);
        assert!(inodes(TABLE, Protocol::Tcp, 9).is_empty());
    }
}

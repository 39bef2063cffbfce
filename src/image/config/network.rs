//! Files for systemd-networkd, as Azure Linux's `networkconfig.go` writes them.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::system::Network;
use super::{Faults, raw};

/// The device of a network that names none.
const DEVICE: &str = "eth0";

/// The files of `networks`; faults are noted.
pub(super) fn files(networks: &[raw::Network], faults: &mut Faults) -> Vec<Network> {
    let mut files = Vec::new();
    for (at, network) in networks.iter().enumerate() {
        let place = format!("SystemConfigs[0].Networks[{at}]");
        check(network, &place, faults);
        let device = if network.device.is_empty() { DEVICE } else { &network.device };
        let file_name = format!("10-{device}.network");
        if files.iter().any(|other: &Network| other.file_name == file_name) {
            faults.add(format!("{place}.Device"), format!("is `{device}`, which another of Networks sets up already"));
        }
        files.push(Network { file_name, text: text(network, device) });
    }
    files
}

fn check(network: &raw::Network, place: &str, faults: &mut Faults) {
    if !["", "dhcp", "static", "bootp", "ibft"].contains(&network.boot_proto.as_str()) {
        let text = format!("is `{}`; dhcp, static, bootp or ibft is expected", network.boot_proto);
        faults.add(format!("{place}.BootProto"), text);
    }
    let name = |letter: char| letter.is_ascii_alphanumeric() || "-_.:".contains(letter);
    if !network.device.chars().all(name) {
        faults.add(format!("{place}.Device"), format!("is `{}`, which names no device", network.device));
    }
    let given = [("Ip", &network.ip), ("GateWay", &network.gate_way), ("NetMask", &network.net_mask)];
    let servers = network.name_server.iter().map(|server| ("NameServer", server));
    for (key, address) in given.into_iter().chain(servers) {
        if !address.is_empty() && address.parse::<IpAddr>().is_err() {
            faults.add(format!("{place}.{key}"), format!("is `{address}`, an IP address is expected"));
        }
    }
    if network.boot_proto == "static" && network.ip.is_empty() {
        faults.add(format!("{place}.Ip"), "is missing; BootProto is static");
    }
    for (key, value) in [("Ip", &network.ip), ("NetMask", &network.net_mask)] {
        if network.boot_proto != "static" && !value.is_empty() {
            faults.add(format!("{place}.{key}"), format!("is `{value}`, which counts only when BootProto is static"));
        }
    }
    check_mask(network, place, faults);
}

fn check_mask(network: &raw::Network, place: &str, faults: &mut Faults) {
    let Ok(mask) = network.net_mask.parse::<IpAddr>() else { return };
    let place = format!("{place}.NetMask");
    let is_mask = match mask {
        IpAddr::V4(mask) => u32::from(mask).leading_ones() == u32::from(mask).count_ones(),
        IpAddr::V6(mask) => u128::from(mask).leading_ones() == u128::from(mask).count_ones(),
    };
    if !is_mask {
        faults.add(&place, format!("is `{mask}`, which is no mask: its ones must stand before its zeros"));
    }
    if network.ip.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv4() != mask.is_ipv4()) {
        faults.add(&place, format!("is `{mask}`, and Ip is `{}`: both must be IPv4 or both IPv6", network.ip));
    }
}

fn text(network: &raw::Network, device: &str) -> String {
    let mut text = format!("[Match]\nName={device}\n\n[Network]\n");
    if network.boot_proto != "static" {
        text += "DHCP=yes\n";
    } else if let Ok(ip) = network.ip.parse::<IpAddr>() {
        let _ = writeln!(text, "Address={ip}/{}", prefix(&network.net_mask, ip));
    }
    if !network.gate_way.is_empty() {
        let _ = writeln!(text, "Gateway={}", network.gate_way);
    }
    for server in &network.name_server {
        let _ = writeln!(text, "DNS={server}");
    }
    text
}

/// Number of leading ones of `mask`; all of them when none is given.
fn prefix(mask: &str, ip: IpAddr) -> u32 {
    match (mask.parse(), ip) {
        (Ok(IpAddr::V4(mask)), _) => u32::from(mask).leading_ones(),
        (Ok(IpAddr::V6(mask)), _) => u128::from(mask).leading_ones(),
        (Err(_), IpAddr::V4(_)) => 32,
        (Err(_), IpAddr::V6(_)) => 128,
    }
}

//! The addresses of this machine, for people who look at its monitor.

use std::net::IpAddr;
use std::path::Path;

/// The addresses of all interfaces but the loopback, by `proc` (`/proc`). Link-local ones of IPv6 are left out: everyone has one, and
/// nobody types it.
pub(super) fn addresses(proc: &Path) -> Vec<IpAddr> {
    let read =
        |name: &str| std::fs::read_to_string(proc.join("net").join(name)).unwrap_or_default();
    let mut found = of_version_4(&read("fib_trie"));
    found.extend(of_version_6(&read("if_inet6")));
    found
}

/// In the kernel's table of routes, an address of this machine is `|-- ADDRESS` with `/32 host LOCAL` on the next line. Each
/// stands in it twice.
fn of_version_4(table: &str) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = Vec::new();
    let lines = table.lines().map(str::trim);
    for (line, next) in lines.clone().zip(lines.skip(1)) {
        let address = line.strip_prefix("|-- ").and_then(|text| text.parse().ok());
        let is_own = next.starts_with("/32 host LOCAL");
        if let Some(address @ IpAddr::V4(_)) = address.filter(|_| is_own)
            && !address.is_loopback()
            && !found.contains(&address)
        {
            found.push(address);
        }
    }
    found
}

/// A line each: 32 digits of the address, index, length of the prefix, scope (0 is global), flags, interface.
fn of_version_6(table: &str) -> Vec<IpAddr> {
    let address = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_global = *fields.get(3)? == "00";
        let digits = u128::from_str_radix(fields[0], 16).ok()?;
        is_global.then(|| IpAddr::V6(digits.into()))
    };
    table.lines().filter_map(address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_of_the_kernel_s_tables() {
        let dir = tempfile::tempdir().expect("a folder");
        let net = dir.path().join("net");
        std::fs::create_dir(&net).expect("a folder");
        // As Linux 6.1 has them.
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     +-- 10.0.0.0/24 2 0 2\n        \
            +-- 10.0.0.0/28 2 0 2\n           |-- 10.0.0.0\n              /24 link UNICAST\n           |-- 10.0.0.5\n              \
            /32 host LOCAL\n        |-- 10.0.0.255\n           /32 link BROADCAST\n     +-- 127.0.0.0/8 2 0 2\n        |-- 127.0.0.1\n           \
            /32 host LOCAL\nLocal:\n  |-- 10.0.0.5\n     /32 host LOCAL\n";
        std::fs::write(net.join("fib_trie"), trie).expect("written");
        let six = "00000000000000000000000000000001 01 80 10 80       lo\nfe800000000000000000000000000005 02 40 20 80     eth0\n\
            fd000000000000000000000000000005 02 40 00 80     eth0\n";
        std::fs::write(net.join("if_inet6"), six).expect("written");
        let found: Vec<_> = addresses(dir.path())
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(found, ["10.0.0.5", "fd00::5"]);
        assert!(addresses(Path::new("/nonexistent")).is_empty());
    }
}

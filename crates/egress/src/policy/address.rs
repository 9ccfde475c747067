//! Which addresses may be dialled.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The operator's exceptions from what is refused.
#[derive(Clone, Debug)]
pub struct AddressPolicy {
    allowed: Vec<IpNet>,
}

/// An address that was checked; only [`AddressPolicy::check`] makes one, and nothing else can be dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialable(SocketAddr);

impl Dialable {
    pub fn address(self) -> SocketAddr {
        self.0
    }
}

/// What a refused address is, to complete "10.0.0.1 is …".
pub type Kind = &'static str;

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(a: u16, b: u16, c: u16, d: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0), prefix)
}

/// Where clouds hand out a machine's own credentials, or speak to its agent. A listed network does not open them: who lists fd00::/8 means
/// the own network.
const METADATA_V4: [Ipv4Addr; 7] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    Ipv4Addr::new(169, 254, 169, 253),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
];
const METADATA_V6: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

/// The special-purpose registry of IANA, without the documentation networks (192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24, 2001:db8::/32):
/// these lead to nothing of anybody's, and closed networks use them for mirrors of package registries.
const SPECIAL_V4: [(Ipv4Net, Kind); 13] = [
    (v4(0, 0, 0, 0, 8), "an unspecified address"),
    (v4(10, 0, 0, 0, 8), "a private address"),
    (v4(100, 64, 0, 0, 10), "a private address of a provider"),
    (v4(127, 0, 0, 0, 8), "a loopback address"),
    (v4(169, 254, 0, 0, 16), "a link-local address"),
    (v4(172, 16, 0, 0, 12), "a private address"),
    (v4(192, 0, 0, 0, 24), "an address for protocols"),
    (v4(192, 88, 99, 0, 24), "an address of a 6to4 relay"),
    (v4(192, 168, 0, 0, 16), "a private address"),
    (v4(198, 18, 0, 0, 15), "an address for benchmarks"),
    (v4(224, 0, 0, 0, 4), "a multicast address"),
    (v4(255, 255, 255, 255, 32), "the broadcast address"),
    (v4(240, 0, 0, 0, 4), "a reserved address"),
];
const SPECIAL_V6: [(Ipv6Net, Kind); 14] = [
    (
        Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 128),
        "an unspecified address",
    ),
    (
        Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128),
        "a loopback address",
    ),
    (
        Ipv6Net::new_assert(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96),
        "an IPv4 address written as IPv6",
    ),
    (v6(0, 0, 0, 0, 96), "an IPv4 address written as IPv6"),
    (
        v6(0x64, 0xff9b, 0, 0, 96),
        "an IPv4 address behind a translator",
    ),
    (
        v6(0x64, 0xff9b, 1, 0, 48),
        "an IPv4 address behind a translator",
    ),
    (v6(0x2001, 0, 0, 0, 32), "an IPv4 address in a Teredo one"),
    (v6(0x2001, 0, 0, 0, 23), "an address for protocols"),
    (v6(0x2002, 0, 0, 0, 16), "an IPv4 address in a 6to4 one"),
    (v6(0xfc00, 0, 0, 0, 7), "a private address"),
    (v6(0xfe80, 0, 0, 0, 10), "a link-local address"),
    (v6(0xfec0, 0, 0, 0, 10), "a site-local address"),
    (v6(0xff00, 0, 0, 0, 8), "a multicast address"),
    (v6(0x5f00, 0, 0, 0, 16), "an address of segment routing"),
];
/// All that IANA has given out for use on the Internet.
const GLOBAL_V6: Ipv6Net = v6(0x2000, 0, 0, 0, 3);

const METADATA: Kind = "a metadata service of a cloud";

impl AddressPolicy {
    /// `allowed`: addresses and networks that may be dialled though they are not public.
    pub fn new(allowed: Vec<IpNet>) -> Self {
        Self { allowed }
    }

    /// # Errors
    /// What the address is, if it is not one of the public Internet and the operator did not list it.
    pub fn check(&self, address: IpAddr, port: u16) -> Result<Dialable, Kind> {
        match special(address) {
            Some(kind) if !self.lists(address, kind) => Err(kind),
            Some(_) | None => Ok(Dialable(SocketAddr::new(address, port))),
        }
    }

    /// For an address that the client itself wrote: nobody vouches for it but the operator's list.
    pub(crate) fn check_literal(&self, address: IpAddr, port: u16) -> Result<Dialable, Kind> {
        let kind = special(address).unwrap_or("a plain address");
        match self.lists(address, kind) {
            true => Ok(Dialable(SocketAddr::new(address, port))),
            false => Err(kind),
        }
    }

    fn lists(&self, address: IpAddr, kind: Kind) -> bool {
        let whole = |net: &IpNet| net.prefix_len() == net.max_prefix_len();
        self.allowed
            .iter()
            .any(|net| net.contains(&address) && (kind != METADATA || whole(net)))
    }
}

fn special(address: IpAddr) -> Option<Kind> {
    match address {
        IpAddr::V4(address) => special_v4(address),
        IpAddr::V6(address) => special_v6(address),
    }
}

fn special_v4(address: Ipv4Addr) -> Option<Kind> {
    if METADATA_V4.contains(&address) {
        return Some(METADATA);
    }
    let found = SPECIAL_V4.iter().find(|(net, _)| net.contains(&address));
    found.map(|(_, kind)| *kind)
}

fn special_v6(address: Ipv6Addr) -> Option<Kind> {
    if METADATA_V6.contains(&address) {
        return Some(METADATA);
    }
    let found = SPECIAL_V6.iter().find(|(net, _)| net.contains(&address));
    match found {
        Some((_, kind)) => Some(kind),
        None if GLOBAL_V6.contains(&address) => None,
        None => Some("an address that is not in use on the Internet"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn policy(listed: &[&str]) -> AddressPolicy {
        let nets = listed.iter().map(|net| net.parse().expect("a network"));
        AddressPolicy::new(nets.collect())
    }

    #[test]
    fn what_is_not_public() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.0",
            "10.255.255.255",
            "100.64.0.0",
            "100.127.255.255",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.0.1",
            "169.254.169.254",
            "172.16.0.0",
            "172.31.255.255",
            "192.0.0.192",
            "192.168.255.255",
            "198.19.0.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::8.8.8.8",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "64:ff9b::7f00:1",
            "64:ff9b::808:808",
            "64:ff9b:1::a00:1",
            "100::1",
            "2001::1",
            "2001:0:7f00:1::",
            "2001:10::1",
            "2002:7f00:1::",
            "2002:808:808::1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "fdff:ffff::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(policy(&[]).check(address(text), 443).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_public_or_nobodys() {
        for text in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.2.1",
            "198.51.100.1",
            "203.0.113.7",
            "223.255.255.255",
            "2001:db8::1",
            "2001:200::1",
            "2606:4700::1111",
            "3fff::1",
        ] {
            let dialable = policy(&[]).check(address(text), 443).expect(text);
            assert_eq!(dialable.address(), SocketAddr::new(address(text), 443));
            // Nobody resolved it: only the list speaks for it.
            assert!(
                policy(&[]).check_literal(address(text), 443).is_err(),
                "{text}"
            );
        }
    }

    #[test]
    fn a_list_opens_what_it_names_and_no_other_form_of_it() {
        let listed = policy(&["10.1.0.0/16", "127.0.0.1/32", "203.0.113.7/32"]);
        for text in ["10.1.2.3", "127.0.0.1", "203.0.113.7"] {
            assert!(listed.check(address(text), 80).is_ok(), "{text}");
            assert!(listed.check_literal(address(text), 80).is_ok(), "{text}");
        }
        for text in [
            "10.2.0.1",
            "127.0.0.2",
            "::ffff:10.1.2.3",
            "::ffff:127.0.0.1",
            "64:ff9b::a01:203",
            "2002:a01:203::1",
        ] {
            assert!(listed.check(address(text), 80).is_err(), "{text}");
        }
    }

    #[test]
    fn a_network_does_not_open_the_metadata_service_in_it() {
        let wide = policy(&["0.0.0.0/0", "::/0"]);
        for text in ["169.254.169.254", "100.100.100.200", "fd00:ec2::254"] {
            assert_eq!(wide.check(address(text), 80), Err(METADATA), "{text}");
            assert!(
                policy(&[&format!(
                    "{text}/{}",
                    if text.contains(':') { 128 } else { 32 }
                )])
                .check(address(text), 80)
                .is_ok()
            );
        }
        assert!(wide.check(address("10.0.0.1"), 80).is_ok());
    }
}

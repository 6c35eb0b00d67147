//! The nf_tables table `inet tare`: static rules over sets of interface names.
//!
//! A bridge is a member of sets and nothing else, so adding or removing one is one atomic batch, and no rule has to be
//! found again by its handle:
//!
//! ```text
//! table inet tare {
//!     set bridges    { ifname }            every bridge of tare's
//!     set masquerade { ifname }            outgoing packets take the host's address
//!     set internal   { ifname }            no way in or out
//!     set peers      { ifname . ifname }   (b . b) for each bridge whose containers may talk (icc)
//!     chain forward { type filter hook forward priority 0
//!         ct state established,related accept
//!         iifname . oifname @peers accept                   only seen when br_netfilter is loaded
//!         iifname @bridges oifname @bridges drop            networks are isolated from each other
//!         iifname @internal drop
//!         oifname @internal drop }
//!     chain postrouting { type nat hook postrouting priority 100
//!         iifname @masquerade oifname != @bridges masquerade }
//!     chain entry { type filter hook forward priority 1
//!         ct state established,related accept
//!         iifname != @bridges oifname @bridges ct status dnat accept     somebody else's publication
//!         iifname != @bridges oifname @bridges drop }
//!     chain loopback { type filter hook prerouting priority -300
//!         iifname != "lo" ip daddr 127.0.0.0/8 drop } }
//! ```
//! Nothing legitimate comes to a container by routing: published ports are forwarded by a process of the host. So a
//! neighbour that routes a network's subnet through the host reaches no port, published or not. And where somebody sets
//! `route_localnet`, no packet from a wire reaches what is published on 127.0.0.1. (For ::1 the kernel itself sees to it.)
//!
//! The chains `entry` and `loopback` came later than the rest. A table without `entry` is of an older version; it gets
//! what it lacks at the next admission, for the bridges that are in it too, and the older version can go on with it.
//!
//! An accept here does not undo a drop in another table. Docker and ufw set the policy of `FORWARD` in the table
//! `filter` (made by iptables-nft) to drop, so where that chain, or Docker's `DOCKER-USER`, exists, rules that accept
//! tare's interfaces are put at its head, marked with a comment by which they are found and removed.

use rustix::io::Errno;

use crate::netlink::nft::{self, Family, Membership, Side, Verdict, attribute, kind};
use crate::netlink::route::refused;
use crate::netlink::{Attributes, Requests, Socket, flag};
use crate::{Bridge, Result};

const TABLE: &str = "tare";
const BRIDGES: &str = "bridges";
const MASQUERADE: &str = "masquerade";
const INTERNAL: &str = "internal";
const PEERS: &str = "peers";
const ENTRY: &str = "entry";
const LOOPBACK: &str = "loopback";

/// nft's number of the type `ifname`, and of a pair of them, so that `nft list` prints names.
const TYPE_IFNAME: u32 = 41;
const TYPE_IFNAME_PAIR: u32 = (TYPE_IFNAME << 6) | TYPE_IFNAME;
/// Tells nft the byte order of a set's keys: type 0, length 4, 1 for the host's. Only for printing them.
const HOST_BYTE_ORDER: &[u8] = &[0, 4, 1, 0, 0, 0];
const NF_INET_PRE_ROUTING: u32 = 0;
const NF_INET_FORWARD: u32 = 2;
const NF_INET_POST_ROUTING: u32 = 4;
const SOURCE_NAT_PRIORITY: i32 = 100;
/// Before connection tracking and address translation: destinations are those that the sender wrote.
const RAW_PRIORITY: i32 = -300;
/// A rule's comment as nft stores it: type 0, length 5, text.
const MARK: &[u8] = b"\0\x05tare\0";
/// The kernel's own ERESTART: the ruleset changed since the generation that a batch names.
const ERESTART: Errno = Errno::from_raw_os_error(85);
const ATTEMPTS: usize = 16;

fn open() -> Result<Socket> {
    Socket::open(crate::netlink::Family::Netfilter)
        .map_err(|source| refused("open socket", "nf_tables", source))
}

/// Whether the kernel's nf_tables answers, and this process may ask it. Nothing is changed.
///
/// # Errors
/// [`crate::Error`] with the kernel's refusal.
pub fn answers() -> Result<()> {
    generation(&open()?).map(drop)
}

/// Puts the bridge under the firewall's rules, making the table if this is the first one.
pub(crate) fn admit(bridge: &Bridge) -> Result<()> {
    let socket = open()?;
    for _ in 0..ATTEMPTS {
        if !is_guarded(&socket)? {
            make_table()?;
        } else if is_member(&socket, &bridge.name)? {
            return pass_foreign_filters(&socket, bridge);
        }
        let elements = nft::batch(None, |batch| {
            for (set, key) in memberships(bridge) {
                push_element(batch, kind::NEW_ELEMENT, flag::CREATE, set, &key);
            }
        });
        match execute(&elements) {
            // Without entry, the table went with somebody's last bridge meanwhile.
            Ok(()) | Err(Errno::EXIST | Errno::NOENT) => {}
            Err(source) => return Err(refused("add to nf_tables sets", &bridge.name, source)),
        }
    }
    Err(refused("add to nf_tables sets", &bridge.name, Errno::BUSY))
}

/// Whether the table is there, with all that this version has in it.
fn is_guarded(socket: &Socket) -> Result<bool> {
    let mut request = nft::get(kind::GET_CHAIN, 0, Family::Inet);
    request.text(attribute::CHAIN_TABLE, TABLE).text(attribute::CHAIN_NAME, ENTRY);
    match socket.query(&request) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(source) => Err(refused("look up nf_tables chain", ENTRY, source)),
    }
}

/// Makes the table, or adds to one of an older version what it lacks.
fn make_table() -> Result<()> {
    match execute(&table_batch()) {
        Err(Errno::EXIST) => {}
        made => return made.map_err(|source| refused("create nf_tables table", TABLE, source)),
    }
    // A batch is atomic: where somebody else was first, all of it is there; where the table went, the caller looks again.
    match execute(&nft::batch(None, push_guard)) {
        Ok(()) | Err(Errno::EXIST | Errno::NOENT) => Ok(()),
        Err(source) => Err(refused("add chains to nf_tables table", TABLE, source)),
    }
}

/// Takes the bridge out of the sets, and with the last one the table.
pub(crate) fn withdraw(bridge: &Bridge) -> Result<()> {
    for (set, key) in memberships(bridge).into_iter().rev() {
        let removal = nft::batch(None, |batch| push_element(batch, kind::DEL_ELEMENT, 0, set, &key));
        match execute(&removal) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(source) => return Err(refused("remove from nf_tables sets", &bridge.name, source)),
        }
    }
    let socket = open()?;
    for _ in 0..ATTEMPTS {
        let generation = generation(&socket)?;
        if has_members(&socket)? {
            return Ok(());
        }
        // The generation makes sure that no bridge was added since the look.
        let removal = nft::batch(Some(generation), |batch| {
            nft::push(batch, kind::DEL_TABLE, 0, Family::Inet).text(attribute::TABLE_NAME, TABLE);
        });
        match execute(&removal) {
            Ok(()) => return leave_foreign_filters(&socket),
            Err(Errno::NOENT) => return Ok(()),
            Err(ERESTART) => {}
            Err(source) => return Err(refused("delete nf_tables table", TABLE, source)),
        }
    }
    Ok(())
}

/// Each batch has a socket of its own: what the kernel says beyond the first refusal is dropped with it.
fn execute(batch: &Requests) -> std::result::Result<(), Errno> {
    Socket::open(crate::netlink::Family::Netfilter)?.execute(batch)
}

/// The sets that the bridge belongs to; `bridges` last, because membership in it means that all is in place.
fn memberships(bridge: &Bridge) -> Vec<(&'static str, Vec<u8>)> {
    let key = nft::interface_key(&bridge.name);
    let mut sets = Vec::new();
    if bridge.masquerade && !bridge.internal {
        sets.push((MASQUERADE, key.clone()));
    }
    if bridge.internal {
        sets.push((INTERNAL, key.clone()));
    }
    if bridge.icc {
        sets.push((PEERS, [key.clone(), key.clone()].concat()));
    }
    sets.push((BRIDGES, key));
    sets
}

fn push_elements(message: &mut Requests, set: &str, key: &[u8]) {
    message.text(attribute::ELEMENTS_TABLE, TABLE).text(attribute::ELEMENTS_SET, set);
    message.nest(attribute::ELEMENTS, |list| {
        list.nest(attribute::LIST_ELEMENT, |element| {
            element.nest(attribute::ELEMENT_KEY, |data| {
                data.attr(attribute::DATA_VALUE, key);
            });
        });
    });
}

fn push_element(batch: &mut Requests, message: u16, flags: u16, set: &str, key: &[u8]) {
    push_elements(nft::push(batch, message, flags, Family::Inet), set, key);
}

fn is_member(socket: &Socket, name: &str) -> Result<bool> {
    let mut request = nft::get(kind::GET_ELEMENT, 0, Family::Inet);
    push_elements(&mut request, BRIDGES, &nft::interface_key(name));
    match socket.query(&request) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(source) => Err(refused("look up in nf_tables sets", name, source)),
    }
}

fn has_members(socket: &Socket) -> Result<bool> {
    let mut request = nft::get(kind::GET_ELEMENT, flag::DUMP, Family::Inet);
    request.text(attribute::ELEMENTS_TABLE, TABLE).text(attribute::ELEMENTS_SET, BRIDGES);
    match socket.query(&request) {
        Ok(replies) => Ok(replies.iter().any(|reply| {
            let elements = Attributes::find(reply.body.get(4..).unwrap_or_default(), attribute::ELEMENTS);
            elements.is_some_and(|list| !list.is_empty())
        })),
        Err(Errno::NOENT) => Ok(false),
        Err(source) => Err(refused("list nf_tables set", BRIDGES, source)),
    }
}

fn generation(socket: &Socket) -> Result<u32> {
    let replies = socket
        .query(&nft::get(kind::GET_GENERATION, 0, Family::Inet))
        .map_err(|source| refused("read nf_tables generation of", TABLE, source))?;
    replies
        .first()
        .and_then(|reply| Attributes::find(reply.body.get(4..)?, attribute::GENERATION_ID)?.first_chunk())
        .map(|bytes| u32::from_be_bytes(*bytes))
        .ok_or(crate::Error::Malformed { what: "nf_tables generation" })
}

/// Everything but the members. EXCL on the table makes the whole batch fail with EEXIST when it is there already.
fn table_batch() -> Requests {
    nft::batch(None, |batch| {
        nft::push(batch, kind::NEW_TABLE, flag::CREATE | flag::EXCL, Family::Inet)
            .text(attribute::TABLE_NAME, TABLE);
        push_isolation(batch);
        push_guard(batch);
    })
}

/// The sets, and the rules that need nothing else.
fn push_isolation(batch: &mut Requests) {
    for (id, set) in [(1, BRIDGES), (2, MASQUERADE), (3, INTERNAL)] {
        push_set(batch, id, set, TYPE_IFNAME, 16);
    }
    push_set(batch, 4, PEERS, TYPE_IFNAME_PAIR, 32);
    push_chain(batch, flag::CREATE, "forward", "filter", (NF_INET_FORWARD, 0));
    push_chain(batch, flag::CREATE, "postrouting", "nat", (NF_INET_POST_ROUTING, SOURCE_NAT_PRIORITY));
    push_rule(batch, "forward", |rule| {
        nft::established(rule);
        nft::verdict(rule, Verdict::Accept);
    });
    push_rule(batch, "forward", |rule| {
        nft::pair_in(rule, PEERS);
        nft::verdict(rule, Verdict::Accept);
    });
    push_rule(batch, "forward", |rule| {
        nft::interface_in(rule, Side::In, BRIDGES, Membership::In);
        nft::interface_in(rule, Side::Out, BRIDGES, Membership::In);
        nft::verdict(rule, Verdict::Drop);
    });
    for side in [Side::In, Side::Out] {
        push_rule(batch, "forward", |rule| {
            nft::interface_in(rule, side, INTERNAL, Membership::In);
            nft::verdict(rule, Verdict::Drop);
        });
    }
    push_rule(batch, "postrouting", |rule| {
        nft::interface_in(rule, Side::In, MASQUERADE, Membership::In);
        nft::interface_in(rule, Side::Out, BRIDGES, Membership::NotIn);
        nft::masquerade(rule);
    });
}

/// The chains that keep neighbours out. EXCL on `entry` makes the whole batch fail with EEXIST when it is there already.
fn push_guard(batch: &mut Requests) {
    push_chain(batch, flag::CREATE | flag::EXCL, ENTRY, "filter", (NF_INET_FORWARD, 1));
    push_rule(batch, ENTRY, |rule| {
        nft::established(rule);
        nft::verdict(rule, Verdict::Accept);
    });
    let from_elsewhere = |rule: &mut Requests| {
        nft::interface_in(rule, Side::In, BRIDGES, Membership::NotIn);
        nft::interface_in(rule, Side::Out, BRIDGES, Membership::In);
    };
    push_rule(batch, ENTRY, |rule| {
        from_elsewhere(rule);
        nft::destination_translated(rule);
        nft::verdict(rule, Verdict::Accept);
    });
    push_rule(batch, ENTRY, |rule| {
        from_elsewhere(rule);
        nft::verdict(rule, Verdict::Drop);
    });
    push_chain(batch, flag::CREATE, LOOPBACK, "filter", (NF_INET_PRE_ROUTING, RAW_PRIORITY));
    push_rule(batch, LOOPBACK, |rule| {
        nft::interface_is_not(rule, Side::In, &nft::interface_key("lo"));
        nft::to_ipv4_loopback(rule);
        nft::verdict(rule, Verdict::Drop);
    });
}

fn push_set(batch: &mut Requests, id: u32, name: &str, key_type: u32, key_length: u32) {
    nft::push(batch, kind::NEW_SET, flag::CREATE, Family::Inet)
        .text(attribute::SET_TABLE, TABLE)
        .text(attribute::SET_NAME, name)
        .be32(attribute::SET_KEY_TYPE, key_type)
        .be32(attribute::SET_KEY_LENGTH, key_length)
        .be32(attribute::SET_ID, id)
        .attr(attribute::SET_USERDATA, HOST_BYTE_ORDER);
}

fn push_chain(batch: &mut Requests, flags: u16, name: &str, chain_type: &str, (hook, priority): (u32, i32)) {
    nft::push(batch, kind::NEW_CHAIN, flags, Family::Inet)
        .text(attribute::CHAIN_TABLE, TABLE)
        .text(attribute::CHAIN_NAME, name)
        .nest(attribute::CHAIN_HOOK, |data| {
            data.be32(attribute::HOOK_NUMBER, hook).be32(attribute::HOOK_PRIORITY, priority.cast_unsigned());
        })
        .text(attribute::CHAIN_TYPE, chain_type);
}

fn push_rule(batch: &mut Requests, chain: &str, fill: impl FnOnce(&mut Requests)) {
    nft::push(batch, kind::NEW_RULE, flag::CREATE | flag::APPEND, Family::Inet)
        .text(attribute::RULE_TABLE, TABLE)
        .text(attribute::RULE_CHAIN, chain)
        .nest(attribute::RULE_EXPRESSIONS, fill);
}

/// The table of iptables-nft.
const FOREIGN_TABLE: &str = "filter";

/// Where packets of tare's bridges must be accepted for this family to get past other software's `FORWARD` policy.
fn foreign_chain(socket: &Socket, family: Family) -> Option<&'static str> {
    ["DOCKER-USER", "FORWARD"].into_iter().find(|chain| {
        let mut request = nft::get(kind::GET_CHAIN, 0, family);
        request.text(attribute::CHAIN_TABLE, FOREIGN_TABLE).text(attribute::CHAIN_NAME, chain);
        socket.query(&request).is_ok()
    })
}

/// The handles of our rules in a chain of other software.
fn marked_rules(socket: &Socket, family: Family, chain: &str) -> Result<Vec<Vec<u8>>> {
    let mut request = nft::get(kind::GET_RULE, flag::DUMP, family);
    request.text(attribute::RULE_TABLE, FOREIGN_TABLE).text(attribute::RULE_CHAIN, chain);
    let replies =
        socket.query(&request).map_err(|source| refused("list rules of nf_tables chain", chain, source))?;
    Ok(replies
        .iter()
        .filter_map(|reply| {
            let attributes = reply.body.get(4..)?;
            let ours = Attributes::find(attributes, attribute::RULE_USERDATA) == Some(MARK)
                && Attributes::find(attributes, attribute::RULE_CHAIN)?.strip_suffix(b"\0")
                    == Some(chain.as_bytes());
            ours.then(|| Attributes::find(attributes, attribute::RULE_HANDLE).map(<[u8]>::to_vec))?
        })
        .collect())
}

fn pass_foreign_filters(socket: &Socket, bridge: &Bridge) -> Result<()> {
    let families: &[Family] =
        if bridge.ipv6.is_some() { &[Family::Ipv4, Family::Ipv6] } else { &[Family::Ipv4] };
    for family in families.iter().copied() {
        let Some(chain) = foreign_chain(socket, family) else { continue };
        if !marked_rules(socket, family, chain)?.is_empty() {
            continue;
        }
        let batch = nft::batch(None, |batch| {
            // The default bridge by its whole name, all others by their prefix: four rules serve every network.
            for name in [&b"tare0\0\0\0\0\0\0\0\0\0\0\0"[..], b"tr-"] {
                for side in [Side::In, Side::Out] {
                    push_foreign_rule(batch, family, chain, side, name);
                }
            }
        });
        execute(&batch)
            .map_err(|source| refused("accept tare's bridges in nf_tables chain", chain, source))?;
    }
    Ok(())
}

fn push_foreign_rule(batch: &mut Requests, family: Family, chain: &str, side: Side, name: &[u8]) {
    nft::push(batch, kind::NEW_RULE, flag::CREATE, family)
        .text(attribute::RULE_TABLE, FOREIGN_TABLE)
        .text(attribute::RULE_CHAIN, chain)
        .nest(attribute::RULE_EXPRESSIONS, |rule| {
            nft::interface_is(rule, side, name);
            nft::counter(rule);
            nft::verdict(rule, Verdict::Accept);
        })
        .attr(attribute::RULE_USERDATA, MARK);
}

fn leave_foreign_filters(socket: &Socket) -> Result<()> {
    for family in [Family::Ipv4, Family::Ipv6] {
        let Some(chain) = foreign_chain(socket, family) else { continue };
        let handles = marked_rules(socket, family, chain)?;
        if handles.is_empty() {
            continue;
        }
        let batch = nft::batch(None, |batch| {
            for handle in &handles {
                nft::push(batch, kind::DEL_RULE, 0, family)
                    .text(attribute::RULE_TABLE, FOREIGN_TABLE)
                    .text(attribute::RULE_CHAIN, chain)
                    .attr(attribute::RULE_HANDLE, handle);
            }
        });
        match execute(&batch) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(source) => return Err(refused("remove tare's rules from nf_tables chain", chain, source)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;

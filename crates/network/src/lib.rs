//! Bridges, veth pairs, nftables, IPAM, DNS and port forwarding.

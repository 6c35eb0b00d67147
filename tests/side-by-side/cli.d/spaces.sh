#@ spaces-network-container
q docker run -d --name zz1 -h zzhost --domainname zz.dom --add-host zzextra:1.2.3.4 --dns 9.9.9.9 --dns-search zz.dom alpine sleep 100
r docker run --rm --network container:zz1 alpine hostname
r docker run --rm --network container:zz1 alpine cat /etc/hostname
r docker run --rm --network container:zz1 alpine sh -c 'grep -c zzhost /etc/hosts; grep zzextra /etc/hosts; grep -c zz.dom /etc/resolv.conf'
r docker run --rm --network container:zz1 alpine sh -c 'echo $HOSTNAME'
r docker run --rm --network container:zz1 alpine sh -c 'echo "5.6.7.8 zzmore" >>/etc/hosts'; docker exec zz1 grep zzmore /etc/hosts
q docker create --name zz2 --network container:zz1 alpine; r docker inspect -f '{{.Config.Hostname}} {{.Config.Domainname}} {{json .NetworkSettings.Networks}} {{json .NetworkSettings.Ports}}' zz2
docker inspect -f '{{.HostConfig.NetworkMode}}' zz2 | grep -c "container:$(docker inspect -f '{{.Id}}' zz1)"
for f in '-h x' '--dns 1.1.1.1' '--dns-search x' '--dns-option x' '--add-host a:1.1.1.1' '-p 80' '-P' '--expose 80' '--link zz1' '--mac-address 92:d0:c6:0a:29:33' '--ip 1.2.3.4' '--network-alias x' '--domainname x' '--sysctl net.ipv4.ip_forward=1'; do echo "== $f"; r docker run --rm --network container:zz1 $f alpine echo ran; done
r docker run --rm --network container: alpine true
r docker run --rm --network container:zz1 --network container:zz1 alpine true
q docker stop -t 0 zz1; r docker start zz2
docker ps -a --filter name=zz2 --format '{{.State}}'
q docker rm zz1; r docker start zz2
#@ spaces-network-host
r docker run --rm --network host alpine sh -c '[ "$(hostname)" = "$(cat /etc/hostname)" ] && echo same'
r docker run --rm --network host -h zzhost alpine sh -c 'hostname; cat /etc/hostname; echo $HOSTNAME'
r docker run --rm --network host --uts host alpine sh -c '[ "$(hostname)" = "$HOSTNAME" ] && echo same'
r docker run --rm --network host -p 19320:80 alpine echo ran
r docker run --rm --network host --expose 80 -P alpine echo ran
r docker run --rm --network host --link x alpine true
r docker run --rm --network host --network-alias x alpine true
r docker run --rm --network host --ip 1.2.3.4 alpine true
r docker run --rm --network host --mac-address 92:d0:c6:0a:29:33 alpine echo ran
r docker run --rm --network host --dns 1.1.1.1 --dns-search zz.dom alpine grep -E '^(nameserver|search)' /etc/resolv.conf
r docker run --rm --network host --add-host zz:host-gateway alpine sh -c 'grep -c zz /etc/hosts'
q docker create --name zz1 --network host alpine; r docker inspect -f '{{json .NetworkSettings.Networks.host.IPAddress}} {{.HostConfig.NetworkMode}}' zz1
#@ spaces-network-none
r docker run --rm --network none alpine sh -c 'ls /sys/class/net; ip -o -4 addr | wc -l'
r docker run --rm --network none -p 19321:80 alpine echo ran
r docker run --rm --network none --dns 1.1.1.1 alpine grep nameserver /etc/resolv.conf
r docker run --rm --network none --add-host a:1.2.3.4 -h zzhost alpine cat /etc/hosts
r docker run --rm --network none --ip 1.2.3.4 alpine true
r docker run --rm --network none --mac-address 92:d0:c6:0a:29:33 alpine echo ran
r docker run --rm --network none --network none alpine true
q docker network create zzn; r docker run --rm --network none --network zzn alpine true
#@ spaces-network-options
q docker network create --subnet 10.77.21.0/24 zzn; q docker network create zzm
r docker run --rm --network name=zzn,ip=10.77.21.9,alias=a,alias=b alpine sh -c 'ip -o -4 addr show eth0 | grep -o 10.77.21.9; ping -c1 -q a >/dev/null && ping -c1 -q b >/dev/null && echo ok'
r docker run --rm --network alias=x alpine true
r docker run --rm --network name= alpine true
r docker run --rm --network name=zzn,ip=x alpine true
r docker run --rm --network name=zzn,ip6=x alpine true
r docker run --rm --network name=zzn,mac-address=x alpine true
r docker run --rm --network name=zzn,gw-priority=x alpine true
r docker run --rm --network name=zzn,link-local-ip=x alpine true
r docker run --rm --network name=zzn,driver-opt=x alpine true
r docker run --rm --network name=zzn --ip 10.77.21.9 --network-alias q alpine sh -c 'ip -o -4 addr show eth0 | grep -o 10.77.21.9'
r docker run --rm --network name=zzn,ip=10.77.21.8 --ip 10.77.21.9 alpine true
r docker run --rm --network name=zzn,alias=a --network-alias q alpine true
r docker run --rm --network zzn --network zzn alpine true
r docker run --rm --network zzn,alias=x alpine true
r docker run --rm --network '' alpine echo ran
r docker run --rm --network default alpine echo ran
r docker run --rm --network bridge --network zzn alpine sh -c 'ls /sys/class/net | sort | tr "\n" " "'
r docker run --rm --network zzn --link-local-ip 169.254.7.7 alpine sh -c 'ip -o -4 addr show eth0 | grep -o 169.254.7.7'
r docker run --rm --network name=zzn,link-local-ip=169.254.7.8 alpine sh -c 'ip -o -4 addr show eth0 | grep -o 169.254.7.8'
r docker run --rm --network zzn --link-local-ip x alpine true
r docker run --rm --network name=zzn,driver-opt=com.docker.network.endpoint.sysctls=net.ipv4.conf.IFNAME.log_martians=1 alpine cat /proc/sys/net/ipv4/conf/eth0/log_martians
r docker run --rm --network zzn --network '"name=zzm","driver-opt=com.docker.network.endpoint.sysctls=net.ipv4.conf.IFNAME.forwarding=1,net.ipv4.conf.IFNAME.log_martians=1"' alpine sh -c 'cat /proc/sys/net/ipv4/conf/eth1/log_martians /proc/sys/net/ipv4/conf/eth0/log_martians'
r docker run --rm --network name=zzn,driver-opt=com.docker.network.endpoint.sysctls=net.ipv4.conf.eth0.log_martians=1 alpine true
r docker run --rm --network name=zzn,driver-opt=com.docker.network.endpoint.ifname=foobar alpine ls /sys/class/net
q docker create --name zz1 --network name=zzn,driver-opt=a=b,gw-priority=7 alpine; r docker inspect -f '{{json .NetworkSettings.Networks.zzn.DriverOpts}} {{.NetworkSettings.Networks.zzn.GwPriority}}' zz1
#@ spaces-default-route
q docker network create --subnet 10.77.22.0/24 zzn; q docker network create --subnet 10.77.23.0/24 zzm; q docker network create --subnet 10.77.24.0/24 --internal zzi
r docker run --rm --network zzn --network zzm alpine sh -c "ip route | grep default | grep -c eth[01]"
r docker run --rm --network name=zzn,gw-priority=1 --network name=zzm,gw-priority=2 alpine sh -c "ip route | grep -o 'default via 10.77.[0-9]*'"
r docker run --rm --network name=zzn,gw-priority=3 --network name=zzm,gw-priority=-2 alpine sh -c "ip route | grep -o 'default via 10.77.[0-9]*'"
r docker run --rm --network zzi --network zzn alpine sh -c "ip route | grep -o 'default via 10.77.[0-9]*'"
r docker run --rm --network zzi alpine sh -c "ip route | grep -c default"
q docker run -d --name zz1 --network zzi alpine sleep 100; q docker network connect zzm zz1; docker exec zz1 sh -c "ip route | grep -o 'default via 10.77.[0-9]*'"
#@ spaces-addresses
r docker run --rm --ip 172.17.0.9 alpine true
r docker run --rm --ip x alpine true
r docker run --rm --ip6 x alpine true
r docker run --rm --link-local-ip 169.254.1.1 alpine true
r docker run --rm --mac-address 92-d0-c6-0a-29-33 alpine cat /sys/class/net/eth0/address
r docker run --rm --mac-address 92:D0:C6:0A:29:33 alpine cat /sys/class/net/eth0/address
r docker run --rm --mac-address '' alpine echo ran
r docker run --rm --mac-address 1:2 alpine true
r docker run --rm --network-alias x alpine true
r docker run --rm --link zz-none alpine true
r docker run --rm --link 'a:b:c' alpine true
r docker run --rm --link '' alpine true
r docker run --rm --dns '' alpine true
r docker run --rm --dns 1.2.3 alpine true
r docker run --rm --dns ::1 alpine grep -c nameserver /etc/resolv.conf
r docker run --rm --dns-search 'a b' alpine true
r docker run --rm --dns-option '' alpine echo ran
#@ spaces-resolv-conf
r docker run --rm --dns 1.1.1.1 --dns-search a.zz --dns-option ndots:2 alpine cat /etc/resolv.conf
r docker run --rm --dns 1.1.1.1 alpine grep -v '^#' /etc/resolv.conf
r docker run --rm --dns-search . --dns 1.1.1.1 alpine cat /etc/resolv.conf
q docker network create zzn
r docker run --rm --network zzn --dns 1.1.1.1 --dns-search a.zz --dns-option ndots:2 alpine cat /etc/resolv.conf
r docker run --rm --network zzn --dns-search . alpine grep -c search /etc/resolv.conf
r docker run --rm --network host --dns 1.1.1.1 --dns-search a.zz --dns-option ndots:2 alpine cat /etc/resolv.conf
r docker run --rm --network none --dns 1.1.1.1 --dns-search a.zz --dns-option ndots:2 alpine cat /etc/resolv.conf
#@ spaces-hosts
r docker run --rm -h zzhost alpine sh -c "sed 's/^172[0-9.]*/IP/' /etc/hosts"
r docker run --rm -h zzhost.a.b alpine sh -c "tail -1 /etc/hosts | cut -f2; cat /etc/hostname; hostname -s"
r docker run --rm -h zzhost --domainname a.b alpine sh -c "tail -1 /etc/hosts | cut -f2; cat /etc/hostname"
r docker run --rm --add-host a:1.1.1.1 --add-host b:2.2.2.2 --add-host a:3.3.3.3 alpine grep -E '\s[ab]$' /etc/hosts
r docker run --rm --add-host a: alpine true
r docker run --rm --add-host :1.1.1.1 alpine true
r docker run --rm --add-host 'a b:1.1.1.1' alpine grep -c 'a b' /etc/hosts
r docker run --rm --add-host a=::1 alpine grep -E '\sa$' /etc/hosts
q docker network create --ipv6 --subnet fd00:77:25::/64 zzn
r docker run --rm --network zzn -h zzhost alpine sh -c "grep zzhost /etc/hosts | wc -l; grep -c 'fd00:77:25::.*zzhost' /etc/hosts"
r docker run --rm --network host --add-host a:1.1.1.1 alpine grep -E '\sa$' /etc/hosts
q docker create --name zz1 --add-host a:1.1.1.1 --add-host b=::1 --add-host c=host-gateway alpine; r docker inspect -f '{{json .HostConfig.ExtraHosts}}' zz1
#@ spaces-hostname
r docker run --rm -h zz_host alpine hostname
r docker run --rm -h "$(printf 'a%.0s' $(seq 63))" alpine hostname
r docker run --rm -h "$(printf 'a%.0s' $(seq 65))" alpine hostname
r docker run --rm -h '' alpine sh -c 'hostname | wc -c'
r docker run --rm -h 'a b' alpine hostname
r docker run --rm --uts host alpine sh -c 'hostname | wc -c | awk "{print (\$1>0)}"'
r docker run --rm --uts host -h x alpine true
r docker run --rm --uts host --domainname x alpine true
q docker create --name zz1 -h a.b.c --domainname d alpine; r docker inspect -f '{{.Config.Hostname}} {{.Config.Domainname}}' zz1
#@ spaces-read-only
r docker run --rm --read-only alpine sh -c 'for f in hosts hostname resolv.conf; do echo x >>/etc/$f && echo $f; done'
r docker run --rm alpine sh -c 'for f in hosts hostname resolv.conf; do echo x >>/etc/$f && echo $f; done'
r docker run --rm --read-only alpine sh -c 'touch /run/x || echo no; touch /dev/shm/x && echo shm; echo x >/dev/null && echo null; touch /tmp/x'
echo 1.1.1.1 zz >h; r docker run --rm --read-only -v "$PWD/h:/etc/hosts" alpine sh -c 'cat /etc/hosts; echo x >>/etc/hosts && echo written'
q docker run -d --name zz1 --read-only alpine sleep 100; r docker exec zz1 sh -c 'echo x >>/etc/hosts'

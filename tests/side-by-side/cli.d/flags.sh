#@ flags-block-io
r docker run --rm --blkio-weight 300 alpine echo ran
r docker run --rm --blkio-weight 0 alpine echo ran
r docker run --rm --blkio-weight 70000 alpine true
rq docker create --name zz2 --device-read-bps /dev/null:1mb --device-write-bps /dev/zero:2k --device-read-iops /dev/null:10 --device-write-iops /dev/zero:20 alpine
r docker inspect -f '{{json .HostConfig.BlkioDeviceReadBps}} {{json .HostConfig.BlkioDeviceWriteBps}} {{json .HostConfig.BlkioDeviceReadIOps}} {{json .HostConfig.BlkioDeviceWriteIOps}}' zz2
r docker run --rm --device-read-bps /dev/null alpine true
r docker run --rm --device-read-bps null:1mb alpine true
r docker run --rm --device-read-bps /dev/null:x alpine true
r docker run --rm --device-write-iops /dev/null:1mb alpine true
r docker run --rm --device-read-iops /dev/null:-1 alpine true
r docker run --rm --device-read-bps /dev/zz-none:1mb alpine true
r docker run --rm --device-read-bps /dev/null:1mb alpine true
r docker run --rm --blkio-weight-device /dev/null alpine true
r docker run --rm --blkio-weight-device /dev/null:5 alpine true
r docker run --rm --blkio-weight-device null:50 alpine true
#@ flags-cpu
r docker run --rm --cpu-period 100 alpine true
r docker run --rm --cpu-quota 100 alpine true
r docker run --rm --cpu-period 50000 alpine cat /sys/fs/cgroup/cpu/cpu.cfs_period_us
r docker run --rm --cpu-quota -1 alpine cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us
r docker run --rm --cpus 0.001 alpine true
r docker run --rm --cpus -1 alpine true
r docker run --rm --cpus 0 alpine echo ran
r docker run --rm --cpus 1/2 alpine cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us
r docker run --rm --cpus .5 alpine cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us
r docker run --rm -c 1 alpine cat /sys/fs/cgroup/cpu/cpu.shares
r docker run --rm -c -5 alpine true
r docker run --rm -c x alpine true
r docker run --rm --cpuset-cpus 0-0 alpine grep Cpus_allowed_list /proc/self/status
r docker run --rm --cpuset-cpus x alpine true
r docker run --rm --cpuset-cpus 1-0 alpine true
r docker run --rm --cpuset-mems 9 alpine true
r docker run --rm --cpuset-mems x alpine true
#@ flags-pids
r docker run --rm --pids-limit 0 alpine cat /sys/fs/cgroup/pids/pids.max
r docker run --rm --pids-limit -5 alpine cat /sys/fs/cgroup/pids/pids.max
r docker run --rm --pids-limit x alpine true
rq docker create --name zz1 --pids-limit 5 alpine
r docker inspect -f '{{.HostConfig.PidsLimit}}' zz1
#@ flags-oom
r docker run --rm --oom-score-adj 1001 alpine true
r docker run --rm --oom-score-adj -1001 alpine true
r docker run --rm --oom-score-adj x alpine true
r docker run --rm --oom-kill-disable alpine echo ran
#@ flags-devices
r docker run --rm --device /dev/null:/dev/zznull:w alpine sh -c 'echo x >/dev/zznull; cat /dev/zznull'
r docker run --rm --device /dev/null:rw alpine echo ran
r docker run --rm --device /dev/null:rx alpine true
r docker run --rm --device null alpine true
r docker run --rm --device /dev/null:zz alpine true
r docker run --rm --device '' alpine true
r docker run --rm --device /dev/zz-none alpine true
r docker run --rm --device /etc/passwd alpine true
r docker run --rm --device a:b:c:d alpine true
r docker run --rm --device-cgroup-rule 'c 1:3' alpine true
r docker run --rm --device-cgroup-rule 'x 1:3 r' alpine true
r docker run --rm --device-cgroup-rule 'a *:* rwm' alpine echo ran
r docker run --rm --gpus '' alpine true
r docker run --rm --gpus 2 alpine true
r docker run --rm --gpus bogus=1 alpine true
rq docker create --name zz1 --device /dev/zero:/dev/x:r --device-cgroup-rule 'c 1:3 r' alpine
r docker inspect -f '{{json .HostConfig.Devices}} {{json .HostConfig.DeviceCgroupRules}}' zz1
#@ flags-security
r docker run --rm --security-opt no-new-privileges=true alpine grep NoNewPrivs /proc/self/status
r docker run --rm --security-opt no-new-privileges=maybe alpine true
r docker run --rm --security-opt seccomp= alpine true
echo '{' >bad.json; r docker run --rm --security-opt seccomp=bad.json alpine true
r docker run --rm --security-opt seccomp=builtin alpine grep Seccomp: /proc/self/status
r docker run --rm --security-opt systempaths=bogus alpine true
r docker run --rm --security-opt label=disable alpine echo ran
r docker run --rm --security-opt label=type:x alpine echo ran
r docker run --rm --security-opt label=bogus alpine true
r docker run --rm --security-opt writable-cgroups=true alpine sh -c 'grep " /sys/fs/cgroup " /proc/self/mounts | cut -d" " -f4 | cut -c1-2'
r docker run --rm --security-opt apparmor=unconfined alpine echo ran
rq docker create --name zz1 --security-opt no-new-privileges --security-opt label=disable alpine
r docker inspect -f '{{json .HostConfig.SecurityOpt}}' zz1
#@ flags-caps
r docker run --rm --cap-add net_admin alpine grep CapEff /proc/self/status
r docker run --rm --cap-add cap_sys_time --cap-drop all alpine grep CapEff /proc/self/status
r docker run --rm --cap-add ALL --cap-drop NET_RAW alpine grep CapEff /proc/self/status
r docker run --rm --cap-drop nosuch alpine true
r docker run --rm --cap-add '' alpine true
rq docker create --name zz1 --cap-add net_admin --cap-add SYS_TIME --cap-drop cap_chown alpine
r docker inspect -f '{{json .HostConfig.CapAdd}} {{json .HostConfig.CapDrop}}' zz1
r docker run --rm --privileged --cap-drop ALL alpine grep CapEff /proc/self/status
r docker run --rm --privileged --user 1000 alpine grep CapEff /proc/self/status
#@ flags-sysctl
r docker run --rm --sysctl net.core.somaxconn=77 alpine cat /proc/sys/net/core/somaxconn
r docker run --rm --sysctl fs.mqueue.msg_max=20 alpine cat /proc/sys/fs/mqueue/msg_max
r docker run --rm --sysctl kernel.shmmni=100 alpine cat /proc/sys/kernel/shmmni
r docker run --rm --sysctl net.ipv4.nosuch=1 alpine true
r docker run --rm --sysctl kernel.panic=1 alpine true
r docker run --rm --sysctl net.core.somaxconn alpine true
r docker run --rm --sysctl '' alpine true
r docker run --rm --ipc host --sysctl kernel.msgmax=1 alpine true
r docker run --rm --network none --sysctl net.ipv4.ip_forward=1 alpine cat /proc/sys/net/ipv4/ip_forward
#@ flags-ulimit
r docker run --rm --ulimit nofile=100:200 --ulimit nofile=300:400 alpine sh -c 'ulimit -Sn; ulimit -Hn'
r docker run --rm --ulimit cpu=10 --ulimit stack=1024000 alpine sh -c 'ulimit -t; ulimit -s'
r docker run --rm --ulimit nofile=x alpine true
r docker run --rm --ulimit nofile=1:2:3 alpine true
r docker run --rm --ulimit =1 alpine true
r docker run --rm --ulimit nofile=-1:5 alpine true
r docker run --rm --ulimit NOFILE=5 alpine true
r docker run --rm --ulimit rtprio=0 --ulimit msgqueue=1000 alpine echo ran
rq docker create --name zz1 --ulimit nofile=5 --ulimit core=0:0 alpine
r docker inspect -f '{{range .HostConfig.Ulimits}}{{.Name}} {{.Soft}} {{.Hard}};{{end}}' zz1
#@ flags-shm-ipc
r docker run --rm --shm-size 1g alpine sh -c "df -k /dev/shm | tail -1 | awk '{print \$2}'"
r docker run --rm --shm-size -1 alpine true
r docker run --rm --shm-size 0 alpine sh -c "df -k /dev/shm | tail -1 | awk '{print \$2}'"
r docker run --rm --ipc private alpine sh -c 'grep -c " /dev/shm " /proc/self/mounts'
r docker run --rm --ipc none alpine sh -c 'ls /dev/shm; grep -c " /dev/shm " /proc/self/mounts; ls /dev | tr "\n" " "'
r docker run --rm --ipc none --read-only alpine sh -c 'grep -c " /dev/shm " /proc/self/mounts'
q docker run -d --name zz1 alpine sleep 100
r docker run --rm --ipc container:zz1 alpine true
q docker run -d --name zz2 --ipc shareable alpine sleep 100
r docker run --rm --ipc container:zz2 alpine echo ran
r docker run --rm --ipc container: alpine true
r docker run --rm --ipc bogus alpine true
docker inspect -f '{{.HostConfig.IpcMode}} {{.HostConfig.ShmSize}}' zz1 zz2
q docker create --name zz3 --ipc none alpine; docker inspect -f '{{.HostConfig.IpcMode}} {{.HostConfig.ShmSize}}' zz3
q docker create --name zz4 --ipc container:zz2 --shm-size 1m alpine; docker inspect -f '{{.HostConfig.ShmSize}}' zz4
#@ flags-namespaces
r docker run --rm --pid private alpine true
r docker run --rm --pid container: alpine true
r docker run --rm --pid '' alpine echo ran
r docker run --rm --uts private alpine true
r docker run --rm --uts container:x alpine true
r docker run --rm --userns '' alpine echo ran
r docker run --rm --userns private alpine true
r docker run --rm --cgroupns private alpine cat /proc/self/cgroup | grep -c ':/$' | awk '{print ($1>2)}'
r docker run --rm --cgroupns host alpine sh -c 'grep pids /proc/self/cgroup | grep -c "/$"'
q docker create --name zz1 --cgroupns host --pid host --uts host alpine
r docker inspect -f '{{.HostConfig.CgroupnsMode}} {{.HostConfig.PidMode}} {{.HostConfig.UTSMode}} {{.HostConfig.UsernsMode}}' zz1
q docker create --name zz2 alpine
r docker run --rm --pid container:zz2 alpine true
#@ flags-health
r docker create --name zz1 --health-cmd x --no-healthcheck alpine
r docker create --name zz1 --health-interval x alpine
r docker create --name zz1 --health-interval -1s alpine
r docker create --name zz1 --health-interval 100us --health-cmd x alpine
r docker create --name zz1 --health-retries -1 --health-cmd x alpine
r docker create --name zz1 --health-retries x alpine
rq docker create --name zz1 --health-cmd 'test -e /x' --health-interval 1m30s --health-timeout 5s --health-start-period 10s --health-start-interval 2s --health-retries 4 alpine
r docker inspect -f '{{json .Config.Healthcheck}}' zz1
rq docker create --name zz2 --no-healthcheck alpine
r docker inspect -f '{{json .Config.Healthcheck}}' zz2
#@ flags-labels
printf 'a\nb=\nc=1\n#x\n d=2\n' >f
q docker create --name zz1 --label-file f -l e -l f= -l g=h=i alpine; r docker inspect -f '{{json .Config.Labels}}' zz1
r docker create --name zz2 --label-file nosuch alpine
r docker create --name zz2 -l =x alpine
r docker create --name zz3 -l '' alpine
q docker create --name zz4 --annotation a=b --annotation c alpine; r docker inspect -f '{{json .HostConfig.Annotations}}' zz4
r docker create --name zz5 --annotation =b alpine
#@ flags-errors
r docker run
r docker run --rm
r docker run -Z alpine
r docker run --rm --name
r docker run --rm -e
r docker run --rm -itX alpine
r docker run --rm UPPER true
r docker run --rm ':bad' true
r docker run --rm 'alpine@sha256:abc' true
r docker run --rm '' true
r docker create
r docker exec
r docker exec zz1
r docker start
r docker stop
r docker kill
r docker wait
r docker logs
r docker logs a b
r docker attach
r docker attach a b
r docker rename a
r docker rename a b c
r docker update
r docker port
r docker port a b c
r docker top
r docker run --names x alpine
r docker ps x
r docker --nosuch ps
r docker nosuch

#@ bytes-arguments
docker run --rm alpine printf '%s' "$(printf 'a\377b')" | od -An -tx1
docker run --rm -e "X=$(printf 'a\377b')" alpine sh -c 'printf %s "$X"' | od -An -tx1
X="$(printf '\303\050')"; export X; docker run --rm -e X alpine sh -c 'printf %s "$X"' | od -An -tx1
q docker create --name zz1 -l "a=$(printf '\377x')" alpine; docker inspect -f '{{.Config.Labels.a}}' zz1 | od -An -tx1
r docker create --name "zz$(printf '\377')" alpine
r docker inspect "zz$(printf '\377')"
r docker run --rm -w "/$(printf '\377')" alpine sh -c 'pwd | od -An -tx1'
q docker run -d --name zz2 alpine sleep 100
docker exec zz2 printf '%s' "$(printf 'a\377b')" | od -An -tx1
docker exec -e "X=$(printf '\377')" zz2 sh -c 'printf %s "$X"' | od -An -tx1
docker run --rm alpine printf '%s' 'ü€😀' | od -An -tx1
#@ bytes-output
docker run --rm alpine printf '\377\376\000\200\n' | od -An -tx1
q docker run --name zz1 alpine printf 'a\377b\000c\n'; docker logs zz1 | od -An -tx1
q docker run --name zz2 alpine sh -c 'printf "\303"; sleep 0.2; printf "\251\n"'; docker logs zz2 | od -An -tx1
q docker run --name zz3 alpine printf 'a\rb\033[1mc\n'; docker logs zz3 | od -An -tx1
q docker run --name zz4 alpine printf 'no end'; docker logs zz4 | od -An -tx1
q docker run --name zz5 -t alpine printf 'a\nb\n'; docker logs zz5 | od -An -tx1
#@ bytes-folder-gone
mkdir x; cd x; rmdir ../x
r docker run --rm alpine echo ran
r docker run --rm -v /tmp:/t alpine echo ran
r docker run --rm -v ./y:/t alpine echo ran
q docker run -d --name zz1 alpine sleep 100
r docker exec zz1 echo ran
r docker ps --filter name=zz1 -q | wc -c
r docker logs zz1
#@ bytes-stdin
printf 'a\nb' | docker run --rm -i alpine cat; echo "[$?]"
echo x | docker run --rm alpine cat; echo "[$?]"
echo x | docker run --rm -i alpine true; echo "[$?]"
echo x | docker run --rm -a stdin alpine cat; echo "[$?]"
echo x | docker run --rm -a stdin -a stdout alpine cat; echo "[$?]"
echo x | docker run --rm -i -a stdin -a stdout alpine cat; echo "[$?]"
docker run --rm -a stdout alpine sh -c 'echo o; echo e >&2'; echo "[$?]"
docker run --rm -a stderr alpine sh -c 'echo o; echo e >&2' 2>&1; echo "[$?]"
echo x | docker run --rm -it alpine cat; echo "[$?]"

# `compose build`, and what else builds.
#@ build-labels-of-images
printf 'FROM alpine\nRUN echo lb >/v\n' >Dockerfile
printf 'name: zzlb\nservices:\n  a: {build: {context: ., labels: {x: y, com.docker.compose.service: mine}}}\n' >compose.yaml
rq docker compose build
docker inspect -f '{{.Config.Labels.x}} {{index .Config.Labels "com.docker.compose.project"}} {{index .Config.Labels "com.docker.compose.service"}}' zzlb-a
#@ build-image-run-is-no-container-of-the-project
printf 'FROM alpine\nRUN echo nc >/v\n' >Dockerfile
printf 'name: zznc\nservices:\n  a: {build: ., command: sleep 100, init: true}\n' >compose.yaml
q docker compose up -d; docker run -d --init --name zznc-other zznc-a sleep 100 >/dev/null
docker compose ps -aq | wc -l; docker compose ls --filter name=zznc --format json | grep -o 'running([0-9])'
q docker compose down; docker inspect -f '{{.State.Status}}' zznc-other; docker rm -f zznc-other >/dev/null
#@ build-several-and-one-fails
printf 'FROM alpine\nRUN exit 3\n' >Dockerfile; printf 'FROM alpine\nRUN echo fine\n' >ok.df
printf 'name: zzsf\nservices:\n  a: {build: .}\n  b: {build: {context: ., dockerfile: ok.df}}\n' >compose.yaml
rq docker compose build; rq docker compose build b; rq docker compose up -d a; docker compose ps -aq | wc -l
#@ build-one-from-another
printf 'FROM alpine\nRUN echo base >/b\n' >base.df; printf 'FROM mybase\nRUN cat /b >/c\n' >Dockerfile
printf 'name: zzfo\nservices:\n  a: {build: {context: ., additional_contexts: {mybase: "service:base"}}}\n  base: {build: {context: ., dockerfile: base.df}}\n' >compose.yaml
rq docker compose build; docker run --rm zzfo-a cat /c; q docker rmi -f zzfo-a zzfo-base
rq docker compose build a; docker images --format '{{.Repository}}' | grep ^zzfo | sort
#@ build-inline-args-target-and-tags
printf 'name: zzia\nservices:\n  a:\n    image: zzia-named:t\n    build: {context: ., target: one, tags: ["zzia-tag:1"], args: {A: "1", B: null, C: "3"}, dockerfile_inline: "FROM alpine AS one\\nARG A\\nARG B\\nARG C\\nRUN echo $$A-$$B-$$C >/v\\nFROM alpine AS two\\nRUN false\\n"}\n' >compose.yaml
B=2 rq docker compose build; docker run --rm zzia-named:t cat /v; docker run --rm zzia-tag:1 cat /v
B=2 rq docker compose build --build-arg C=9 --build-arg B=8; docker run --rm zzia-named:t cat /v
#@ build-limits-of-steps
printf 'FROM alpine\nRUN ulimit -n >/n; ulimit -Hn >>/n; df -k /dev/shm | tail -1 | tr -s " " | cut -d" " -f2 >>/n; grep -c 1.2.3.4.*zzhost /etc/hosts >>/n\n' >Dockerfile
printf 'name: zzul\nservices:\n  a: {build: {context: ., shm_size: 10m, ulimits: {nofile: {soft: 100, hard: 200}}, extra_hosts: ["zzhost:1.2.3.4"]}}\n' >compose.yaml
rq docker compose build --no-cache; docker run --rm zzul-a cat /n
#@ build-secrets
printf 'FROM alpine\nRUN --mount=type=secret,id=t cat /run/secrets/t >/t\nRUN --mount=type=secret,id=f,target=/x cat /x >/f\n' >Dockerfile
echo fsec >sf; printf 'name: zzsc\nservices:\n  a: {build: {context: ., secrets: [t, f]}}\nsecrets: {t: {environment: TOK}, f: {file: sf}}\n' >compose.yaml
TOK=tk rq docker compose build --no-cache; docker run --rm zzsc-a cat /t /f
#@ build-print
printf 'FROM alpine\n' >Dockerfile
printf 'name: zzpr\nsecrets: {s: {environment: TOK}}\nservices:\n  a: {build: .}\n  b: {image: "zzpr-n:t", build: {context: ., args: {V: file}, labels: {x: y}, target: t, tags: [zzpr-tag], secrets: [s], network: host, no_cache: true, pull: true, extra_hosts: ["h:1.2.3.4"], shm_size: 1g, ulimits: {nofile: 100}, additional_contexts: {base: "service:a"}, platforms: [linux/amd64], entitlements: [network.host], dockerfile_inline: "FROM alpine"}}\n  c: {image: alpine}\n' >compose.yaml
docker compose build --print | sed "s,$PWD,HERE,; /compose.version/d" | sort; docker compose build --print b | grep -c HERE; rq docker compose build --print nosuch; docker images -q 'zzpr*'
#@ build-check
printf 'FROM alpine as b\nRUN echo ck\n' >Dockerfile
printf 'name: zzck\nservices:\n  a: {build: .}\n  b: {build: {context: ., dockerfile_inline: "FROM alpine"}}\n' >compose.yaml
rq docker compose build --check 2>/dev/null; rq docker compose build --check b 2>/dev/null; docker images -q 'zzck*'
#@ build-nothing-and-no-such-service
printf 'name: zznn\nservices:\n  a: {image: alpine}\n' >compose.yaml
rq docker compose build; rq docker compose build a; rq docker compose build nosuch
#@ build-by-run-create-and-up
printf 'FROM alpine\nCOPY f /f\nCMD ["sleep", "100"]\n' >Dockerfile; echo 1 >f
printf 'name: zzby\nservices:\n  a: {build: ., init: true}\n' >compose.yaml
q docker compose run --rm a true; docker images --format '{{.Repository}}' | grep zzby
echo 2 >f; docker compose run --rm a cat /f 2>/dev/null; docker compose run --rm --build a cat /f 2>/dev/null | tail -1
echo 3 >f; rq docker compose create --build; q docker compose start; docker compose exec -T a cat /f
echo 4 >f; rq docker compose up -d; docker compose exec -T a cat /f; rq docker compose up -d --build; docker compose exec -T a cat /f
rq docker compose up -d --no-build
#@ build-side-by-side
# each waits for the other
printf 'FROM alpine\nARG OWN\nARG OTHER\nRUN --mount=type=cache,id=zzmeet,target=/m touch /m/$OWN; until test -e /m/$OTHER; do sleep 0.05; done; rm /m/$OTHER; echo met >/v\n' >Dockerfile
printf 'name: zzsb\nservices:\n  a: {build: {context: ., args: {OWN: a, OTHER: b}}}\n  b: {build: {context: ., args: {OWN: b, OTHER: a}}}\n' >compose.yaml
rq timeout 30 docker compose build --no-cache; docker run --rm zzsb-a cat /v; docker run --rm zzsb-b cat /v
#@ build-push-without-a-name
printf 'name: zzpn\nservices:\n  a: {build: {context: ., dockerfile_inline: "FROM alpine"}}\n' >compose.yaml
rq docker compose build --push; docker images -q zzpn-a | wc -l

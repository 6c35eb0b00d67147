//! The keys of a Compose file, section by section.

use super::Shape::{
    self, Any, Bool, Dict, Duration, Either, Ignored, Integer, List, Number, Object, Optional, Scalar,
    Switch, Text, TextOrNumber, Use, Word,
};

/// A whole file.
pub(super) static FILE: Shape = Optional(&Object(&[
    ("version", Text),
    ("name", Text),
    ("include", List(&INCLUDE)),
    ("services", Dict(&SERVICE)),
    ("networks", Dict(&NETWORK)),
    ("volumes", Dict(&VOLUME)),
    ("configs", Dict(&CONFIG)),
    ("secrets", Dict(&SECRET)),
    ("models", Dict(&MODEL)),
]));

static STRINGS: Shape = List(&Text);
static STRING_OR_LIST: Shape = Either(&[Text, List(&Text)]);
static LIST_OR_DICT: Shape = Either(&[Dict(&Optional(&Scalar)), List(&Text)]);
static HOSTS: Shape = Either(&[Dict(&Either(&[Text, List(&Text)])), List(&Text)]);
static COMMAND: Shape = Optional(&Either(&[Text, List(&Text)]));
static OPTIONS: Shape = Dict(&Optional(&TextOrNumber));
static ULIMITS: Shape = Dict(&Either(&[Integer, Object(&[("soft", Integer), ("hard", Integer)])]));
static EXTERNAL: Shape = Either(&[Bool, Object(&[("name", Text)])]);

static INCLUDE: Shape = Either(&[
    Text,
    Object(&[
        ("path", Use(&STRING_OR_LIST)),
        ("env_file", Use(&STRING_OR_LIST)),
        ("project_directory", Text),
    ]),
]);

static ENV_FILE: Shape =
    Either(&[Text, List(&Either(&[Text, Object(&[("path", Text), ("format", Text), ("required", Bool)])]))]);

static BUILD: Shape = Either(&[
    Text,
    Object(&[
        ("context", Text),
        ("dockerfile", Text),
        ("dockerfile_inline", Text),
        ("entitlements", Use(&STRINGS)),
        ("args", Use(&LIST_OR_DICT)),
        ("ssh", Either(&[Text, Use(&LIST_OR_DICT)])),
        ("labels", Use(&LIST_OR_DICT)),
        ("cache_from", Use(&STRINGS)),
        ("cache_to", Use(&STRINGS)),
        ("no_cache", Bool),
        ("additional_contexts", Use(&LIST_OR_DICT)),
        ("network", Text),
        ("provenance", Scalar),
        ("sbom", Scalar),
        ("pull", Bool),
        ("target", Text),
        ("shm_size", TextOrNumber),
        ("extra_hosts", Use(&HOSTS)),
        ("isolation", Text),
        ("privileged", Bool),
        ("secrets", Use(&FILE_REFERENCES)),
        ("tags", Use(&STRINGS)),
        ("ulimits", Use(&ULIMITS)),
        ("platforms", Use(&STRINGS)),
    ]),
]);

static FILE_REFERENCES: Shape = List(&Either(&[
    Text,
    Object(&[("source", Text), ("target", Text), ("uid", Text), ("gid", Text), ("mode", TextOrNumber)]),
]));

static DEPENDS_ON: Shape = Either(&[
    List(&Text),
    Dict(&Optional(&Object(&[
        ("condition", Word(&["service_started", "service_healthy", "service_completed_successfully"])),
        ("required", Switch),
        ("restart", Bool),
    ]))),
]);

static HEALTHCHECK: Shape = Object(&[
    ("disable", Bool),
    ("interval", Duration),
    ("retries", Integer),
    ("test", Use(&STRING_OR_LIST)),
    ("timeout", Duration),
    ("start_period", Duration),
    ("start_interval", Duration),
]);

static HOOK: Shape = Object(&[
    ("command", Use(&COMMAND)),
    ("user", Text),
    ("privileged", Bool),
    ("working_dir", Text),
    ("environment", Use(&LIST_OR_DICT)),
]);

static DEVELOP: Shape = Object(&[(
    "watch",
    List(&Object(&[
        ("path", Text),
        ("action", Word(&["rebuild", "sync", "restart", "sync+restart", "sync+exec"])),
        ("target", Text),
        ("ignore", Use(&STRING_OR_LIST)),
        ("include", Use(&STRING_OR_LIST)),
        ("exec", Use(&HOOK)),
        ("initial_sync", Switch),
    ])),
)]);

static DEVICE_REQUESTS: Shape = List(&Object(&[
    ("capabilities", Use(&STRINGS)),
    ("count", TextOrNumber),
    ("device_ids", Use(&STRINGS)),
    ("driver", Text),
    ("options", Use(&LIST_OR_DICT)),
]));

static DEPLOY: Shape = Object(&[
    ("mode", Text),
    ("endpoint_mode", Ignored(&Text)),
    ("replicas", Integer),
    ("labels", Use(&LIST_OR_DICT)),
    ("rollback_config", Ignored(&Use(&UPDATES))),
    ("update_config", Ignored(&Use(&UPDATES))),
    (
        "resources",
        Object(&[
            ("limits", Object(&[("cpus", TextOrNumber), ("memory", Text), ("pids", Integer)])),
            (
                "reservations",
                Object(&[
                    ("cpus", TextOrNumber),
                    ("memory", Text),
                    ("generic_resources", Ignored(&Use(&GENERIC))),
                    ("devices", Use(&DEVICE_REQUESTS)),
                ]),
            ),
        ]),
    ),
    (
        "restart_policy",
        Object(&[("condition", Text), ("delay", Duration), ("max_attempts", Integer), ("window", Duration)]),
    ),
    ("placement", Ignored(&Use(&PLACEMENT))),
]);

static PORTS: Shape = List(&Either(&[
    TextOrNumber,
    Object(&[
        ("name", Text),
        ("mode", Text),
        ("host_ip", Text),
        ("target", Integer),
        ("published", TextOrNumber),
        ("protocol", Text),
        ("app_protocol", Text),
    ]),
]));

static MOUNTS: Shape = List(&Either(&[
    Text,
    Object(&[
        ("type", Word(&["bind", "volume", "tmpfs", "cluster", "npipe", "image"])),
        ("source", Text),
        ("target", Text),
        ("read_only", Bool),
        ("consistency", Text),
        (
            "bind",
            Object(&[
                ("propagation", Text),
                ("create_host_path", Bool),
                ("recursive", Word(&["enabled", "disabled", "writable", "readonly"])),
                ("selinux", Word(&["z", "Z"])),
                // Not in the specification: tare's switch for owner mapping.
                ("idmap", Scalar),
            ]),
        ),
        ("volume", Object(&[("labels", Use(&LIST_OR_DICT)), ("nocopy", Bool), ("subpath", Text)])),
        ("tmpfs", Object(&[("size", Either(&[Integer, Text])), ("mode", Number)])),
        ("image", Object(&[("subpath", Text)])),
    ]),
]));

static SERVICE_NETWORKS: Shape = Either(&[
    List(&Text),
    Dict(&Optional(&Object(&[
        ("aliases", Use(&STRINGS)),
        ("interface_name", Text),
        ("ipv4_address", Text),
        ("ipv6_address", Text),
        ("link_local_ips", Use(&STRINGS)),
        ("mac_address", Text),
        ("driver_opts", Use(&OPTIONS)),
        ("priority", Number),
        ("gw_priority", Number),
    ]))),
]);

static SERVICE: Shape = Optional(&Object(&[
    ("annotations", Use(&LIST_OR_DICT)),
    ("attach", Bool),
    ("blkio_config", Ignored(&Use(&BLKIO))),
    ("build", Use(&BUILD)),
    ("cap_add", Use(&STRINGS)),
    ("cap_drop", Use(&STRINGS)),
    ("cgroup", Word(&["host", "private"])),
    ("cgroup_parent", Text),
    ("command", Use(&COMMAND)),
    ("configs", Use(&FILE_REFERENCES)),
    ("container_name", Text),
    ("cpu_count", Ignored(&Integer)),
    ("cpu_percent", Ignored(&Either(&[Integer, Text]))),
    ("cpu_period", TextOrNumber),
    ("cpu_quota", TextOrNumber),
    ("cpu_rt_period", Ignored(&TextOrNumber)),
    ("cpu_rt_runtime", Ignored(&TextOrNumber)),
    ("cpu_shares", TextOrNumber),
    ("cpus", TextOrNumber),
    ("cpuset", Text),
    ("credential_spec", Ignored(&Object(&[("config", Text), ("file", Text), ("registry", Text)]))),
    ("depends_on", Use(&DEPENDS_ON)),
    ("deploy", Optional(&DEPLOY)),
    ("develop", Optional(&DEVELOP)),
    ("device_cgroup_rules", Use(&STRINGS)),
    ("devices", List(&Either(&[Text, Object(&[("source", Text), ("target", Text), ("permissions", Text)])]))),
    ("dns", Use(&STRING_OR_LIST)),
    ("dns_opt", Use(&STRINGS)),
    ("dns_search", Use(&STRING_OR_LIST)),
    ("domainname", Text),
    ("entrypoint", Use(&COMMAND)),
    ("env_file", Use(&ENV_FILE)),
    ("environment", Use(&LIST_OR_DICT)),
    ("expose", List(&Either(&[Text, Number]))),
    ("extends", Either(&[Text, Object(&[("service", Text), ("file", Text)])])),
    ("external_links", Use(&STRINGS)),
    ("extra_hosts", Use(&HOSTS)),
    ("gpus", Either(&[Word(&["all"]), Use(&DEVICE_REQUESTS)])),
    ("group_add", List(&TextOrNumber)),
    ("healthcheck", Use(&HEALTHCHECK)),
    ("hostname", Text),
    ("image", Text),
    ("init", Bool),
    ("ipc", Text),
    ("isolation", Ignored(&Text)),
    ("label_file", Use(&STRING_OR_LIST)),
    ("labels", Use(&LIST_OR_DICT)),
    ("links", Use(&STRINGS)),
    ("logging", Object(&[("driver", Text), ("options", Use(&OPTIONS))])),
    ("mac_address", Text),
    ("mem_limit", TextOrNumber),
    ("mem_reservation", Either(&[Integer, Text])),
    ("mem_swappiness", Either(&[Integer, Text])),
    ("memswap_limit", TextOrNumber),
    ("models", Use(&SERVICE_MODELS)),
    ("network_mode", Text),
    ("networks", Use(&SERVICE_NETWORKS)),
    ("oom_kill_disable", Bool),
    ("oom_score_adj", Integer),
    ("pid", Optional(&Text)),
    ("pids_limit", Integer),
    ("platform", Text),
    ("ports", Use(&PORTS)),
    ("post_start", List(&HOOK)),
    ("pre_stop", List(&HOOK)),
    ("privileged", Bool),
    ("profiles", Use(&STRINGS)),
    ("provider", Use(&PROVIDER)),
    ("pull_policy", Text),
    ("pull_refresh_after", Ignored(&Text)),
    ("read_only", Bool),
    ("restart", Text),
    ("runtime", Text),
    ("scale", Integer),
    ("secrets", Use(&FILE_REFERENCES)),
    ("security_opt", Use(&STRINGS)),
    ("shm_size", TextOrNumber),
    ("stdin_open", Bool),
    ("stop_grace_period", Duration),
    ("stop_signal", Text),
    ("storage_opt", Dict(&Any)),
    ("sysctls", Use(&LIST_OR_DICT)),
    ("tmpfs", Use(&STRING_OR_LIST)),
    ("tty", Bool),
    ("ulimits", Use(&ULIMITS)),
    ("use_api_socket", Ignored(&Switch)),
    ("user", Text),
    ("userns_mode", Text),
    ("uts", Text),
    ("volumes", Use(&MOUNTS)),
    ("volumes_from", Use(&STRINGS)),
    ("working_dir", Text),
]));

static NETWORK: Shape = Optional(&Object(&[
    ("name", Text),
    ("driver", Text),
    ("driver_opts", Use(&OPTIONS)),
    (
        "ipam",
        Object(&[
            ("driver", Text),
            (
                "config",
                List(&Object(&[
                    ("subnet", Text),
                    ("ip_range", Text),
                    ("gateway", Text),
                    ("aux_addresses", Dict(&Text)),
                ])),
            ),
            ("options", Use(&OPTIONS)),
        ]),
    ),
    ("external", Use(&EXTERNAL)),
    ("internal", Bool),
    ("enable_ipv4", Bool),
    ("enable_ipv6", Bool),
    ("attachable", Bool),
    ("labels", Use(&LIST_OR_DICT)),
]));

static VOLUME: Shape = Optional(&Object(&[
    ("name", Text),
    ("driver", Text),
    ("driver_opts", Use(&OPTIONS)),
    ("external", Use(&EXTERNAL)),
    ("labels", Use(&LIST_OR_DICT)),
]));

static SECRET: Shape = Object(&[
    ("name", Text),
    ("file", Text),
    ("environment", Text),
    ("external", Use(&EXTERNAL)),
    ("labels", Use(&LIST_OR_DICT)),
    ("driver", Text),
    ("driver_opts", Use(&OPTIONS)),
    ("template_driver", Text),
]);

static CONFIG: Shape = Object(&[
    ("name", Text),
    ("file", Text),
    ("environment", Text),
    ("content", Text),
    ("external", Use(&EXTERNAL)),
    ("labels", Use(&LIST_OR_DICT)),
    ("template_driver", Text),
]);

static MODEL: Shape =
    Object(&[("name", Text), ("model", Text), ("context_size", Number), ("runtime_flags", Use(&STRINGS))]);

static SERVICE_MODELS: Shape =
    Either(&[List(&Text), Dict(&Optional(&Object(&[("endpoint_var", Text), ("model_var", Text)])))]);

static PROVIDER: Shape = Object(&[("type", Text), ("options", Dict(&Either(&[Scalar, List(&Scalar)])))]);

static RATES: Shape = List(&Object(&[("path", Text), ("rate", Either(&[Integer, Text]))]));

static BLKIO: Shape = Object(&[
    ("device_read_bps", Use(&RATES)),
    ("device_read_iops", Use(&RATES)),
    ("device_write_bps", Use(&RATES)),
    ("device_write_iops", Use(&RATES)),
    ("weight", Number),
    ("weight_device", List(&Object(&[("path", Text), ("weight", Number)]))),
]);

static UPDATES: Shape = Object(&[
    ("parallelism", Integer),
    ("delay", Text),
    ("failure_action", Text),
    ("monitor", Text),
    ("max_failure_ratio", TextOrNumber),
    ("order", Word(&["start-first", "stop-first"])),
]);

static PLACEMENT: Shape = Object(&[
    ("constraints", Use(&STRINGS)),
    ("preferences", List(&Object(&[("spread", Text)]))),
    ("max_replicas_per_node", Integer),
]);

static GENERIC: Shape =
    List(&Object(&[("discrete_resource_spec", Object(&[("kind", Text), ("value", TextOrNumber)]))]));

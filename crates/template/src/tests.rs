//! What templates say, as Go and Docker say it.

use serde::Serialize;
use serde_json::{Value as Json, json as literal};

use super::*;

fn render(source: &str, data: &Json) -> Result<String, TemplateError> {
    Format::parse(source)?.render(&Data::from(data), Missing::Error)
}

fn check(cases: &[(&str, &str)], data: &Json) {
    for (source, expected) in cases {
        assert_eq!(render(source, data).as_deref(), Ok(*expected), "{source}");
    }
}

#[test]
fn dockers_functions() {
    let data = literal!({"Name": "web", "Names": ["a", "b"], "N": 3});
    check(
        &[
            ("{{upper .Name}}", "WEB"),
            ("{{title \"a b-c\"}}", "A B-C"),
            ("{{join .Names \",\"}}", "a,b"),
            ("{{json .Names}}", "[\"a\",\"b\"]"),
            ("{{truncate .Name 2}}", "we"),
            ("{{pad .Name 1 2}}|{{pad \"\" 2 2}}|", " web  ||"),
            ("{{index (split \"a:b\" \":\") 1}}", "b"),
            ("{{.N}}\t{{println .Name}}", "3\tweb\n"),
        ],
        &data,
    );
    for wrong in
        ["{{upper .N}}", "{{join .Name \",\"}}", "{{upper}}", "{{split .Name}}", "{{truncate .Name \"2\"}}"]
    {
        assert!(matches!(render(wrong, &data), Err(TemplateError::Execute(_))), "{wrong}");
    }
}

#[test]
fn gos_language() {
    let data =
        literal!({"A": {"b": "x", "c": "y"}, "L": ["p", "q"], "N": 3, "T": true, "E": [], "S": "a\"<b>'"});
    check(
        &[
            ("{{range $i, $n := .L}}{{$i}}={{$n}} {{end}}", "0=p 1=q "),
            ("{{range .L}}{{if eq . \"q\"}}{{break}}{{end}}{{.}}{{end}}", "p"),
            ("{{range .L}}{{if eq . \"p\"}}{{continue}}{{end}}{{.}}{{else}}none{{end}}", "q"),
            ("{{range .E}}x{{else}}none{{end}}", "none"),
            ("{{range $k, $v := .A}}{{$k}}:{{$v}};{{end}}", "b:x;c:y;"),
            ("{{range 3}}{{.}}{{end}}", "012"),
            ("{{with .A}}{{.b}}{{$.N}}{{end}}{{with .E}}{{else with .T}}t{{end}}", "x3t"),
            ("{{if and .T (gt .N 2)}}yes{{else if .T}}no{{end}}", "yes"),
            ("{{$x := 1}}{{if .T}}{{$x = 2}}{{end}}{{$x}}", "2"),
            ("a {{- /* gone */ -}} b{{- .N -}}\n c", "ab3c"),
            ("{{define \"t\"}}<{{.}}>{{end}}{{template \"t\" .N}}{{block \"u\" .L}}{{len .}}{{end}}", "<3>2"),
            ("{{.A}} {{.L}} {{(index .L 1)}}", "map[b:x c:y] [p q] q"),
            (
                "{{printf \"%5d|%-4s|%05.1f|%q|%v|%x\" 7 \"ab\" 2.25 \"c\" .L 255}}",
                "    7|ab  |002.2|\"c\"|[p q]|ff",
            ),
            (
                "{{printf \"%s %d\" 1 \"x\"}}{{printf \"%d\"}}{{printf \"x\" 1}}",
                "%!s(int=1) %!d(string=x)%!d(MISSING)x%!(EXTRA int=1)",
            ),
            ("{{print 1 2 \"a\" 3}}{{.N | printf \"%T %v\"}}", "1 2a3int %!v(MISSING)"),
            (
                "{{html .S}} {{js .S}} {{urlquery \"a b&\"}}",
                "a&#34;&lt;b&gt;&#39; a\\\"\\u003Cb\\u003E\\' a+b%26",
            ),
            ("{{slice \"abcdef\" 1 3}}{{slice .L 1}}{{`raw\\n`}}{{'a'}}", "bc[q]raw\\n97"),
            ("{{or .E .N}} {{not .T}} {{eq 1 2 1}} {{ne \"a\" \"b\"}} {{le 1 1}}", "3 false true true true"),
            ("{{len .A | printf \"%d\"}}{{0x10}}{{1_000}}", "2161000"),
        ],
        &data,
    );
}

#[test]
fn bad_templates_are_told_before_they_are_run() {
    let nothing = literal!({});
    for wrong in [
        "{{.ID",
        "{{nofunc .}}",
        "{{end}}",
        "{{if .A}}",
        "{{if}}x{{end}}",
        "{{$x}}",
        "{{.A | 1}}",
        "{{\"a}}",
        "{{(.A}}",
        "{{range .A}}{{else}}{{else}}{{end}}",
        "{{break}}",
        "{{1x}}",
        "{{/* a}}",
        "{{.A | }}",
        "{{else}}",
        "{{template}}",
    ] {
        assert!(matches!(render(wrong, &nothing), Err(TemplateError::Parse { .. })), "{wrong}");
    }
    for wrong in [
        "{{.A}}",
        "{{index . \"a\" 1}}",
        "{{template \"t\"}}",
        "{{lt 1 \"a\"}}",
        "{{eq 1}}",
        "{{nil}}",
        "{{.A 1}}",
    ] {
        assert!(matches!(render(wrong, &nothing), Err(TemplateError::Execute(_))), "{wrong}");
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Object {
    id: String,
    zone: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    healthcheck: Option<u32>,
    labels: Option<std::collections::BTreeMap<String, String>>,
    cmd: Option<Vec<String>>,
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    ports: std::collections::BTreeMap<String, Vec<Inner>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Inner {
    host_ip: String,
    host_port: String,
}

#[test]
fn structs_print_as_gos_do() {
    let object = Object {
        id: "abc".to_owned(),
        zone: 5,
        healthcheck: None,
        labels: None,
        cmd: None,
        name: String::new(),
        ports: [("80/tcp".to_owned(), vec![Inner { host_ip: String::new(), host_port: "8000".to_owned() }])]
            .into(),
    };
    let data = data(&object).unwrap();
    let shown = |source: &str| Format::parse(source).unwrap().render_typed_or_raw(&data);
    for (source, expected) in [
        ("{{.}}", "{abc 5 <nil> map[] []  map[80/tcp:[{ 8000}]]}"),
        ("{{.Healthcheck}} {{.Labels}} {{.Cmd}} {{.Name}}|", "<nil> map[] [] |"),
        ("{{.Ports}}", "map[80/tcp:[{ 8000}]]"),
        // By the name of its JSON, which is not that of the type: a map, as JSON has it.
        ("{{.Id}} {{.Ports}}", "abc map[80/tcp:[map[HostIp: HostPort:8000]]]"),
        (
            "{{json .}}",
            r#"{"Id":"abc","Zone":5,"Labels":null,"Cmd":null,"Ports":{"80/tcp":[{"HostIp":"","HostPort":"8000"}]}}"#,
        ),
        (
            "{{.ID}} {{.Labels.x}} {{index .Labels \"x\"}}|{{len .Cmd}}{{if .Cmd}}x{{end}}",
            "abc <no value> |0",
        ),
    ] {
        assert_eq!(shown(source).as_deref(), Ok(expected), "{source}");
    }
    assert!(shown("{{.Healthcheck.Test}}").is_err());
    assert!(shown("{{.Bogus}}").is_err());
    assert!(
        pretty_json(&data).starts_with("{\n    \"Id\": \"abc\",\n    \"Zone\": 5,\n    \"Labels\": null,")
    );
}

//! Lists: rows of named cells, printed as a table, through a `--format` template, as JSON or as bare names (`-q`).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{shown, table};
use crate::error::Failure;
use tare_template::{Data, Field, Format, Letters, Lookup, Missing, Struct};

/// What a list looks like: the header of each field and the table shown by default.
pub(crate) struct View {
    /// (field, column header).
    pub(crate) headers: &'static [(&'static str, &'static str)],
    /// The default table, `table {{.ID}}\t{{.Names}}`.
    pub(crate) default: &'static str,
    /// The template of `-q`.
    pub(crate) quiet: &'static str,
    /// The template that is called `raw`: a line per field, an empty one after each object; none where there is no such.
    pub(crate) raw: Option<&'static str>,
}

/// One row of a [`View`].
#[derive(Debug, Default, Clone)]
pub(crate) struct Row {
    cells: BTreeMap<&'static str, Data>,
    labels: BTreeMap<String, String>,
}

impl Row {
    /// A row of (field, text).
    pub(crate) fn new<const N: usize>(cells: [(&'static str, String); N]) -> Row {
        let cells = cells.into_iter().map(|(field, text)| (field, Data::from(text)));
        Row { cells: cells.collect(), labels: BTreeMap::new() }
    }

    /// Gives the row its labels: the `Labels` field and `{{.Label "name"}}`.
    pub(crate) fn with_labels(mut self, labels: &BTreeMap<String, String>) -> Row {
        let pairs: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        self.cells.insert("Labels", Data::from(pairs.join(",")));
        self.labels = labels.clone();
        self
    }

    /// Sets one field.
    pub(crate) fn set(&mut self, field: &'static str, value: impl Into<Data>) {
        self.cells.insert(field, value.into());
    }

    /// With what would break a table's lines or columns, or act on a terminal, shown.
    fn in_table(&self) -> Row {
        let show = |text: &String| shown::cell(text).into_owned();
        let shown_cell = |cell: &Data| match cell {
            Data::Text(text) => Data::from(&*shown::cell(text)),
            other => other.clone(),
        };
        Row {
            cells: self.cells.iter().map(|(field, cell)| (*field, shown_cell(cell))).collect(),
            labels: self.labels.iter().map(|(key, text)| (show(key), show(text))).collect(),
        }
    }

    /// The row as templates see it: its fields, and its labels by name.
    pub(crate) fn data(&self) -> Data {
        let cells = self.cells.iter().map(|(name, cell)| Field {
            name: (*name).to_owned(),
            key: Some((*name).to_owned()),
            value: cell.clone(),
        });
        let label = Field {
            name: "Label".to_owned(),
            key: None,
            value: Data::Lookup(Arc::new(Lookup::Labels(self.labels.clone()))),
        };
        Data::Struct(Arc::new(Struct { fields: cells.chain([label]).collect(), letters: Letters::Escaped }))
    }
}

/// Which form a list takes.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Shape<'a> {
    /// `--format`.
    pub(crate) format: Option<&'a str>,
    /// `-q`.
    pub(crate) quiet: bool,
}

impl View {
    /// The text of a list.
    pub(crate) fn render(&self, rows: &[Row], shape: Shape<'_>) -> anyhow::Result<String> {
        let format = match shape.format {
            Some("json") => "{{json .}}",
            Some("raw") => self.raw.unwrap_or("raw"),
            None | Some("" | "table") if shape.quiet => self.quiet,
            None | Some("" | "table") => self.default,
            Some(custom) => custom,
        };
        let (source, tabular) = match format.strip_prefix("table") {
            Some(columns) => (columns, true),
            None => (format, false),
        };
        let source = source.trim_matches(' ').replace("\\t", "\t").replace("\\n", "\n");
        let template = Format::parse(&source)?;
        let mut text = String::new();
        for row in rows {
            let data = if tabular { row.in_table().data() } else { row.data() };
            text.push_str(&self.rendered(&template, &data)?);
            text.push('\n');
        }
        Ok(if tabular {
            table::align(&format!("{}\n{text}", template.header(&self.header())?))
        } else {
            text
        })
    }

    /// Fails for a template that fits no row.
    pub(crate) fn try_out(&self, format: Option<&str>) -> anyhow::Result<()> {
        let mut row = Row::default();
        self.headers.iter().for_each(|(field, _)| row.set(field, ""));
        self.render(&[row], Shape { format, quiet: false }).map(drop)
    }

    /// One line; a field that there is none of is told with those that there are.
    fn rendered(&self, template: &Format, data: &Data) -> anyhow::Result<String> {
        template.render(data, Missing::NoValue).map_err(|error| {
            let fields: Vec<&str> = self.headers.iter().map(|(field, _)| *field).collect();
            Failure::new(error.to_string()).with_hint(format!("fields: {}", fields.join(", "))).into()
        })
    }

    fn header(&self) -> Data {
        let mut fields: BTreeMap<String, Data> =
            self.headers.iter().map(|(field, header)| ((*field).to_owned(), Data::from(*header))).collect();
        fields.insert("Label".to_owned(), Data::Lookup(Arc::new(Lookup::Header)));
        Data::from(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIEW: View = View {
        headers: &[("ID", "ID"), ("Name", "NAME"), ("Labels", "LABELS")],
        default: "table {{.ID}}\t{{.Name}}",
        quiet: "{{.ID}}",
        raw: Some("id: {{.ID}}\n"),
    };

    fn rows() -> Vec<Row> {
        let labels = BTreeMap::from([("a".to_owned(), "1".to_owned())]);
        vec![Row::new([("ID", "1".into()), ("Name", "web".into())]).with_labels(&labels)]
    }

    fn render(format: Option<&str>, quiet: bool) -> String {
        VIEW.render(&rows(), Shape { format, quiet }).unwrap()
    }

    #[test]
    fn every_shape() {
        assert_eq!(render(None, false), "ID        NAME\n1         web\n");
        assert_eq!(render(None, true), "1\n");
        assert_eq!(render(Some("{{.Name}}/{{.Label \"a\"}}"), false), "web/1\n");
        assert_eq!(render(Some("table {{.Name}}\\t{{.Labels}}"), false), "NAME      LABELS\nweb       a=1\n");
        assert_eq!(render(Some("json"), false), "{\"ID\":\"1\",\"Labels\":\"a=1\",\"Name\":\"web\"}\n");
    }

    #[test]
    fn what_acts_on_a_terminal_is_shown_in_tables() {
        let labels = BTreeMap::from([("a".to_owned(), "1\n\x1b[2J".to_owned())]);
        let rows = [Row::new([("ID", "1".into()), ("Name", "w\te\x1bb".into())]).with_labels(&labels)];
        let render = |format| VIEW.render(&rows, Shape { format, quiet: false }).unwrap();
        assert_eq!(render(None), "ID        NAME\n1         w\\te\\u001bb\n");
        let labelled = render(Some("table {{.Label \"a\"}}"));
        assert!(labelled.ends_with("1\\n\\u001b[2J\n"), "{labelled}");
        assert_eq!(
            render(Some("{{.Name}}")),
            "w\te\x1bb\n",
            "a template's output may be meant for a program"
        );
    }

    #[test]
    fn unknown_fields_are_refused() {
        let error = VIEW.render(&rows(), Shape { format: Some("{{.Nope}}"), quiet: false }).unwrap_err();
        assert!(error.to_string().contains("Nope"), "{error}");
        assert_eq!(VIEW.render(&[], Shape { format: Some("{{.Nope}}"), quiet: false }).unwrap(), "");
    }

    #[test]
    fn headers_keep_their_names() {
        let header = |format| VIEW.render(&[], Shape { format: Some(format), quiet: false }).unwrap();
        assert_eq!(header("table {{lower .Name}} {{json .ID}} {{truncate .Name 1}}"), "NAME ID NAME\n");
        assert_eq!(
            header("table {{.Label \"com.example.some-label\"}} {{.Nope}}"),
            "some label <no value>\n"
        );
    }
}

//! Go's `Sprint`, `Sprintln` and `Sprintf`.

use super::data::Data;
use super::print::{Style, float, json, show, shown};

/// Blanks stand between operands of which neither is a text.
pub(super) fn print(args: &[Data]) -> String {
    let mut out = String::new();
    let mut was_text = true;
    for (place, arg) in args.iter().enumerate() {
        let is_text = matches!(arg, Data::Text(_));
        if place > 0 && !is_text && !was_text {
            out.push(' ');
        }
        was_text = is_text;
        out.push_str(&operand(arg));
    }
    out
}

pub(super) fn println(args: &[Data]) -> String {
    let mut out = args.iter().map(operand).collect::<Vec<_>>().join(" ");
    out.push('\n');
    out
}

/// As an argument of print: nothing is `<nil>`.
fn operand(value: &Data) -> String {
    match value {
        Data::Nil(super::data::Nil::NoValue) => "<nil>".to_owned(),
        other => shown(other),
    }
}

/// One `%-10.3s`.
#[derive(Debug, Default)]
struct Verb {
    minus: bool,
    plus: bool,
    zero: bool,
    sharp: bool,
    space: bool,
    width: usize,
    precision: Option<usize>,
}

pub(super) fn printf(format: &str, args: &[Data]) -> String {
    let mut out = String::new();
    let mut args = args.iter();
    let mut letters = format.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            out.push(letter);
            continue;
        }
        let verb = flags(&mut letters, &mut args);
        match letters.next() {
            None => out.push_str("%!(NOVERB)"),
            Some('%') => out.push('%'),
            Some(kind) => match args.next() {
                None => out.push_str(&format!("%!{kind}(MISSING)")),
                Some(value) => out.push_str(&formatted(kind, &verb, value)),
            },
        }
    }
    let left: Vec<String> = args.map(|value| format!("{}={}", value.type_name(), operand(value))).collect();
    if !left.is_empty() {
        out.push_str(&format!("%!(EXTRA {})", left.join(", ")));
    }
    out
}

fn flags(
    letters: &mut std::iter::Peekable<std::str::Chars<'_>>,
    args: &mut std::slice::Iter<'_, Data>,
) -> Verb {
    let mut verb = Verb::default();
    while let Some(flag) = letters.next_if(|letter| "-+0# ".contains(*letter)) {
        match flag {
            '-' => (verb.minus, verb.zero) = (true, false),
            '+' => verb.plus = true,
            '0' => verb.zero = !verb.minus,
            '#' => verb.sharp = true,
            _ => verb.space = true,
        }
    }
    let mut number = |letters: &mut std::iter::Peekable<std::str::Chars<'_>>| {
        if letters.next_if_eq(&'*').is_some() {
            return match args.next() {
                Some(Data::Int(number)) => usize::try_from(*number).unwrap_or(0),
                _ => 0,
            };
        }
        let mut out = 0usize;
        while let Some(digit) = letters.next_if(char::is_ascii_digit).and_then(|digit| digit.to_digit(10)) {
            out = out.saturating_mul(10).saturating_add(usize::try_from(digit).unwrap_or(0)).min(1 << 16);
        }
        out
    };
    verb.width = number(letters);
    if letters.next_if_eq(&'.').is_some() {
        verb.precision = Some(number(letters));
    }
    verb
}

fn formatted(kind: char, verb: &Verb, value: &Data) -> String {
    let text = match (kind, value) {
        ('T', value) => value.type_name().to_owned(),
        ('v', Data::Text(text)) if verb.sharp => quoted(text),
        ('v', Data::Nil(_) | Data::Text(_) | Data::List(_) | Data::Map(_) | Data::Struct(_)) => {
            let mut out = String::new();
            show(value, if verb.plus { Style::Named } else { Style::Plain }, &mut out);
            if out == "<no value>" { "<nil>".to_owned() } else { out }
        }
        ('v' | 't', Data::Bool(flag)) => flag.to_string(),
        ('v', Data::Int(_) | Data::Uint(_)) => integer('d', verb, value),
        ('d' | 'b' | 'o' | 'O' | 'x' | 'X' | 'c' | 'q' | 'U', Data::Int(_) | Data::Uint(_)) => {
            integer(kind, verb, value)
        }
        ('v' | 'e' | 'f' | 'F' | 'g', Data::Float(number)) => floating(kind, verb, *number),
        ('s', Data::Text(text)) => cut(text, verb),
        ('q', Data::Text(text)) => quoted(&cut(text, verb)),
        ('x', Data::Text(text)) => text.bytes().map(|byte| format!("{byte:02x}")).collect(),
        ('X', Data::Text(text)) => text.bytes().map(|byte| format!("{byte:02X}")).collect(),
        ('s' | 'q' | 'd' | 'x' | 't', Data::List(items)) => {
            let items: Vec<String> =
                items.iter().map(|item| formatted(kind, &Verb::default(), item)).collect();
            format!("[{}]", items.join(" "))
        }
        ('s' | 'q', Data::Map(map)) => {
            let each = |(key, item): (&String, &Data)| {
                let key = formatted(kind, &Verb::default(), &Data::from(key.as_str()));
                format!("{key}:{}", formatted(kind, &Verb::default(), item))
            };
            format!("map[{}]", map.iter().map(each).collect::<Vec<_>>().join(" "))
        }
        ('s' | 'd' | 'q', Data::Nil(_)) => format!("%!{kind}({})", operand(value)),
        (kind, value) => format!("%!{kind}({}={})", value.type_name(), operand(value)),
    };
    padded(text, verb, value)
}

fn cut(text: &str, verb: &Verb) -> String {
    verb.precision.map_or_else(|| text.to_owned(), |most| text.chars().take(most).collect())
}

fn padded(text: String, verb: &Verb, value: &Data) -> String {
    let missing = verb.width.saturating_sub(text.chars().count());
    if missing == 0 {
        return text;
    }
    if verb.minus {
        return text + &" ".repeat(missing);
    }
    if verb.zero {
        let is_number = matches!(value, Data::Int(_) | Data::Uint(_) | Data::Float(_));
        return match text.strip_prefix(['-', '+']).filter(|_| is_number) {
            Some(digits) => format!("{}{}{digits}", &text[..1], "0".repeat(missing)),
            None => "0".repeat(missing) + &text,
        };
    }
    " ".repeat(missing) + &text
}

fn integer(kind: char, verb: &Verb, value: &Data) -> String {
    let number = match value {
        Data::Int(number) => i128::from(*number),
        Data::Uint(number) => i128::from(*number),
        _ => 0,
    };
    let letter = || u32::try_from(number).ok().and_then(char::from_u32).unwrap_or('\u{fffd}');
    let size = number.unsigned_abs();
    let digits = match kind {
        'b' => format!("{}{size:b}", if verb.sharp { "0b" } else { "" }),
        'o' => format!("{}{size:o}", if verb.sharp { "0" } else { "" }),
        'O' => format!("0o{size:o}"),
        'x' => format!("{}{size:x}", if verb.sharp { "0x" } else { "" }),
        'X' => format!("{}{size:X}", if verb.sharp { "0X" } else { "" }),
        'c' => return letter().to_string(),
        'q' => return format!("'{}'", letter()),
        'U' => return format!("U+{size:04X}"),
        _ => size.to_string(),
    };
    let digits = format!("{digits:0>width$}", width = verb.precision.unwrap_or(0));
    let sign = match (number < 0, verb.plus, verb.space) {
        (true, _, _) => "-",
        (false, true, _) => "+",
        (false, false, true) => " ",
        (false, false, false) => "",
    };
    format!("{sign}{digits}")
}

fn floating(kind: char, verb: &Verb, number: f64) -> String {
    match (kind, verb.precision) {
        ('f' | 'F', precision) => format!("{number:.*}", precision.unwrap_or(6)),
        ('e', precision) => {
            let text = format!("{number:.*e}", precision.unwrap_or(6));
            let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
            let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
            format!("{digits}e{sign}{exponent:0>2}")
        }
        _ => float(number),
    }
}

/// A Go string literal.
fn quoted(text: &str) -> String {
    // JSON differs in the escapes of control characters only.
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '\u{7}' => out.push_str("\\a"),
            '\u{b}' => out.push_str("\\v"),
            '\0'..='\x1f' if !matches!(letter, '\n' | '\r' | '\t' | '\u{8}' | '\u{c}') => {
                out.push_str(&format!("\\x{:02x}", u32::from(letter)));
            }
            '\u{7f}' => out.push_str("\\x7f"),
            letter => {
                let one = json(&Data::from(letter.to_string()));
                out.push_str(&one[1..one.len() - 1]);
            }
        }
    }
    out.push('"');
    out
}

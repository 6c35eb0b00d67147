//! The regular expressions of name filters: literals, `.`, classes, groups, alternatives, anchors and repetitions, found
//! anywhere in a name. What is none, such as `web[`, is taken as a part of the name.

/// Steps after which a name does not match: a bound for patterns made to take forever.
const STEPS: u32 = 100_000;

/// Whether a name matches. A leading slash of the pattern is the one that Docker's names begin with.
#[must_use]
pub fn name_matches(pattern: &str, name: &str) -> bool {
    let pattern = pattern.replacen("^/", "^", 1);
    let pattern = pattern.strip_prefix('/').unwrap_or(&pattern);
    let chars: Vec<char> = pattern.chars().collect();
    let mut parser = Parser { chars: &chars, at: 0 };
    match parser.alternatives() {
        Some(tree) if parser.at == chars.len() => {
            let text: Vec<char> = name.chars().collect();
            let mut search = Search { text: &text, steps: 0 };
            (0..=text.len()).any(|start| search.any(&tree, start, &mut |_, _| true))
        }
        _ => name.contains(pattern),
    }
}

enum Node {
    Char(char),
    Any,
    Class { negated: bool, ranges: Vec<(char, char)> },
    Start,
    End,
    Group(Alternatives),
}

struct Item {
    node: Node,
    least: usize,
    most: usize,
}

type Alternatives = Vec<Vec<Item>>;

struct Parser<'a> {
    chars: &'a [char],
    at: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek();
        self.at += usize::from(c.is_some());
        c
    }

    fn alternatives(&mut self) -> Option<Alternatives> {
        let mut all = vec![Vec::new()];
        loop {
            match self.peek() {
                None | Some(')') => return Some(all),
                Some('|') => {
                    self.at += 1;
                    all.push(Vec::new());
                }
                Some(_) => {
                    let item = self.item()?;
                    all.last_mut()?.push(item);
                }
            }
        }
    }

    fn item(&mut self) -> Option<Item> {
        let node = match self.next()? {
            '.' => Node::Any,
            '^' => Node::Start,
            '$' => Node::End,
            '[' => self.class()?,
            '(' => {
                if self.chars[self.at..].starts_with(&['?', ':']) {
                    self.at += 2;
                }
                let inner = self.alternatives()?;
                (self.next()? == ')').then_some(())?;
                Node::Group(inner)
            }
            '\\' => escaped(self.next()?)?,
            '*' | '+' | '?' => return None,
            c => Node::Char(c),
        };
        let (least, most) = self.repetition()?;
        Some(Item { node, least, most })
    }

    fn repetition(&mut self) -> Option<(usize, usize)> {
        let bounds = match self.peek() {
            Some('*') => (0, usize::MAX),
            Some('+') => (1, usize::MAX),
            Some('?') => (0, 1),
            Some('{') => return self.counted(),
            _ => return Some((1, 1)),
        };
        self.at += 1;
        Some(bounds)
    }

    fn counted(&mut self) -> Option<(usize, usize)> {
        let length = self.chars[self.at..].iter().position(|c| *c == '}')?;
        let text: String = self.chars[self.at + 1..self.at + length].iter().collect();
        self.at += length + 1;
        let number = |text: &str| text.parse::<usize>().ok().filter(|count| *count <= 1000);
        match text.split_once(',') {
            None => number(&text).map(|count| (count, count)),
            Some((least, "")) => Some((number(least)?, usize::MAX)),
            Some((least, most)) => Some((number(least)?, number(most)?)),
        }
    }

    fn class(&mut self) -> Option<Node> {
        let negated = self.peek() == Some('^');
        self.at += usize::from(negated);
        let mut ranges = Vec::new();
        loop {
            match self.next()? {
                ']' if !ranges.is_empty() => return Some(Node::Class { negated, ranges }),
                '\\' => match escaped(self.next()?)? {
                    Node::Char(c) => ranges.push((c, c)),
                    Node::Class { negated: false, ranges: more } => ranges.extend(more),
                    _ => return None,
                },
                first
                    if self.peek() == Some('-') && self.chars.get(self.at + 1).is_some_and(|c| *c != ']') =>
                {
                    self.at += 1;
                    ranges.push((first, self.next()?));
                }
                c => ranges.push((c, c)),
            }
        }
    }
}

/// What stands for a backslash and a letter.
fn escaped(c: char) -> Option<Node> {
    let digits = vec![('0', '9')];
    let words = vec![('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')];
    let blanks = vec![('\t', '\r'), (' ', ' ')];
    match c {
        'd' => Some(Node::Class { negated: false, ranges: digits }),
        'D' => Some(Node::Class { negated: true, ranges: digits }),
        'w' => Some(Node::Class { negated: false, ranges: words }),
        'W' => Some(Node::Class { negated: true, ranges: words }),
        's' => Some(Node::Class { negated: false, ranges: blanks }),
        'S' => Some(Node::Class { negated: true, ranges: blanks }),
        c if c.is_alphanumeric() => None,
        c => Some(Node::Char(c)),
    }
}

struct Search<'a> {
    text: &'a [char],
    steps: u32,
}

/// What must match after a part that ends at this place.
type Rest<'r> = &'r mut dyn FnMut(&mut Search<'_>, usize) -> bool;

impl Search<'_> {
    fn any(&mut self, tree: &Alternatives, at: usize, rest: Rest<'_>) -> bool {
        tree.iter().any(|items| self.sequence(items, at, rest))
    }

    fn sequence(&mut self, items: &[Item], at: usize, rest: Rest<'_>) -> bool {
        match items.split_first() {
            None => rest(self, at),
            Some((item, others)) => {
                self.repeated(item, 0, at, &mut |search, end| search.sequence(others, end, rest))
            }
        }
    }

    /// The item once more, as often as it goes, then what follows.
    fn repeated(&mut self, item: &Item, count: usize, at: usize, rest: Rest<'_>) -> bool {
        self.steps += 1;
        if self.steps > STEPS {
            return false;
        }
        let again = count < item.most
            && self.once(&item.node, at, &mut |search, end| {
                // A part of no length does not go on for ever.
                (end > at || count < item.least) && search.repeated(item, count + 1, end, rest)
            });
        again || (count >= item.least && rest(self, at))
    }

    fn once(&mut self, node: &Node, at: usize, rest: Rest<'_>) -> bool {
        let c = self.text.get(at).copied();
        let takes = match node {
            Node::Start => return at == 0 && rest(self, at),
            Node::End => return at == self.text.len() && rest(self, at),
            Node::Group(tree) => return self.any(tree, at, rest),
            Node::Char(wanted) => c == Some(*wanted),
            Node::Any => c.is_some(),
            Node::Class { negated, ranges } => c.is_some_and(|c| {
                ranges.iter().any(|(first, last)| (*first..=*last).contains(&c)) != *negated
            }),
        };
        takes && rest(self, at + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::name_matches;

    #[test]
    fn patterns_are_regular_expressions() {
        for (pattern, name) in [
            ("we", "web_1"),
            ("^/web$", "web"),
            ("/web", "web_1"),
            ("^w.*1$", "web_1"),
            ("shop[23]", "shop3"),
            ("^(a|b)-\\d+$", "b-12"),
            ("a{2,3}b", "xaab"),
            ("[^a-c]$", "abd"),
            ("(ab)*c", "ababc"),
            ("^$", ""),
            ("web[", "my-web["),
            ("a.b", "axb"),
        ] {
            assert!(name_matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("^web$", "web_1"),
            ("x", "web"),
            ("shop[23]", "shop1"),
            ("a\\.b", "axb"),
            ("^(a|b)$", "ab"),
            ("web[", "web"),
        ] {
            assert!(!name_matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn a_pattern_made_to_take_forever_ends() {
        assert!(!name_matches("^(a*)*(a*)*(a*)*$", &format!("{}b", "a".repeat(200))));
    }
}

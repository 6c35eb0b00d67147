//! Tokens as a tree of nodes.

use std::collections::{BTreeMap, VecDeque};

use super::TemplateError;
use super::functions::is_function;
use super::lex::{Piece, Token, pieces};

/// A parsed template, with those that it defines.
#[derive(Debug, Clone, Default)]
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    pub(super) defined: BTreeMap<String, Vec<Node>>,
}

#[derive(Debug, Clone)]
pub(super) enum Node {
    Text(String),
    Action(Pipe),
    /// `if` and `with`, which sets the dot.
    Branch {
        kind: Branch,
        pipe: Pipe,
        then: Vec<Node>,
        otherwise: Vec<Node>,
    },
    Template {
        name: String,
        pipe: Option<Pipe>,
    },
    Break,
    Continue,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Branch {
    If,
    With,
    Range,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Pipe {
    /// Variables on its left.
    pub(super) variables: Vec<String>,
    /// `=` in place of `:=`.
    pub(super) target: Target,
    /// Each a first word and its arguments.
    pub(super) commands: Vec<Vec<Expr>>,
}

/// What a pipeline does with its variables.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Target {
    #[default]
    Declares,
    Assigns,
}

#[derive(Debug, Clone)]
pub(super) enum Expr {
    Dot,
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Field(Vec<String>),
    Variable(String, Vec<String>),
    Function(String),
    /// `(…).A.B`
    Group(Box<Pipe>, Vec<String>),
}

/// What ended a list of nodes.
enum Stop {
    Eof,
    Closed,
    /// `else`, with what follows it.
    Else(Vec<Token>, usize),
}

pub(super) fn parse(source: &str) -> Result<Tree, TemplateError> {
    let mut parser = Parser {
        pieces: pieces(source)?.into(),
        defined: BTreeMap::new(),
        variables: vec!["$".to_owned()],
        loops: 0,
    };
    let (nodes, end) = parser.list()?;
    match end {
        Stop::Eof => Ok(Tree { nodes, defined: parser.defined }),
        Stop::Closed => Err(TemplateError::parse(1, "unexpected {{end}}")),
        Stop::Else(..) => Err(TemplateError::parse(1, "unexpected {{else}}")),
    }
}

struct Parser {
    pieces: VecDeque<Piece>,
    defined: BTreeMap<String, Vec<Node>>,
    variables: Vec<String>,
    loops: usize,
}

impl Parser {
    fn list(&mut self) -> Result<(Vec<Node>, Stop), TemplateError> {
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.pop_front() {
            let (tokens, line) = match piece {
                Piece::Text(text) => {
                    nodes.push(Node::Text(text));
                    continue;
                }
                Piece::Action(tokens, line) => (tokens, line),
            };
            let mut words = Words { tokens: tokens.into(), line };
            words.skip_blanks();
            match words.keyword() {
                Some("end") => {
                    words.drop_one();
                    words.must_be_done("end")?;
                    return Ok((nodes, Stop::Closed));
                }
                Some("else") => {
                    words.drop_one();
                    words.skip_blanks();
                    return Ok((nodes, Stop::Else(words.tokens.into(), line)));
                }
                Some(word) => {
                    let word = word.to_owned();
                    self.control(&word, words, &mut nodes)?;
                }
                None => nodes.push(Node::Action(self.pipe(&mut words)?)),
            }
        }
        Ok((nodes, Stop::Eof))
    }

    fn control(&mut self, word: &str, mut words: Words, nodes: &mut Vec<Node>) -> Result<(), TemplateError> {
        words.drop_one();
        words.skip_blanks();
        let line = words.line;
        match word {
            "if" => nodes.push(self.branch(Branch::If, &mut words)?),
            "with" => nodes.push(self.branch(Branch::With, &mut words)?),
            "range" => nodes.push(self.branch(Branch::Range, &mut words)?),
            "break" | "continue" => {
                words.must_be_done(word)?;
                if self.loops == 0 {
                    return Err(TemplateError::parse(line, format!("{{{{{word}}}}} outside {{{{range}}}}")));
                }
                nodes.push(if word == "break" { Node::Break } else { Node::Continue });
            }
            "define" => {
                let name = words.name("define clause")?;
                words.must_be_done("define clause")?;
                let body = self.separate(line)?;
                self.defined.insert(name, body);
            }
            _ => {
                let name = words.name("template clause")?;
                words.skip_blanks();
                let pipe = if words.tokens.is_empty() { None } else { Some(self.pipe(&mut words)?) };
                if word == "block" {
                    let body = self.separate(line)?;
                    self.defined.insert(name.clone(), body);
                }
                nodes.push(Node::Template { name, pipe });
            }
        }
        Ok(())
    }

    /// The body of a template of its own.
    fn separate(&mut self, line: usize) -> Result<Vec<Node>, TemplateError> {
        let variables = std::mem::replace(&mut self.variables, vec!["$".to_owned()]);
        let loops = std::mem::take(&mut self.loops);
        let (body, end) = self.list()?;
        (self.variables, self.loops) = (variables, loops);
        match end {
            Stop::Closed => Ok(body),
            _ => Err(TemplateError::parse(line, "unexpected EOF")),
        }
    }

    fn branch(&mut self, kind: Branch, words: &mut Words) -> Result<Node, TemplateError> {
        let known = self.variables.len();
        let line = words.line;
        let pipe = self.pipe(words)?;
        self.loops += usize::from(kind == Branch::Range);
        let (then, end) = self.list()?;
        self.loops -= usize::from(kind == Branch::Range);
        let otherwise = match end {
            Stop::Closed => Vec::new(),
            Stop::Eof => return Err(TemplateError::parse(line, "unexpected EOF")),
            Stop::Else(tokens, line) => self.otherwise(kind, Words { tokens: tokens.into(), line })?,
        };
        self.variables.truncate(known);
        Ok(Node::Branch { kind, pipe, then, otherwise })
    }

    fn otherwise(&mut self, kind: Branch, mut words: Words) -> Result<Vec<Node>, TemplateError> {
        let line = words.line;
        let again = match (kind, words.keyword()) {
            (Branch::If, Some("if")) => Some(Branch::If),
            (Branch::With, Some("with")) => Some(Branch::With),
            _ => None,
        };
        if let Some(kind) = again {
            words.drop_one();
            words.skip_blanks();
            return Ok(vec![self.branch(kind, &mut words)?]);
        }
        words.must_be_done("else")?;
        match self.list()? {
            (nodes, Stop::Closed) => Ok(nodes),
            (_, Stop::Else(_, line)) => Err(TemplateError::parse(line, "expected end; found {{else}}")),
            (_, Stop::Eof) => Err(TemplateError::parse(line, "unexpected EOF")),
        }
    }

    fn pipe(&mut self, words: &mut Words) -> Result<Pipe, TemplateError> {
        let mut pipe = self.left_side(words)?;
        loop {
            let command = self.command(words)?;
            if command.is_empty() {
                return Err(TemplateError::parse(words.line, "missing value for command"));
            }
            if !pipe.commands.is_empty()
                && matches!(
                    command[0],
                    Expr::Dot | Expr::Nil | Expr::Bool(_) | Expr::Int(_) | Expr::Float(_) | Expr::Text(_)
                )
            {
                let stage = pipe.commands.len() + 1;
                return Err(TemplateError::parse(
                    words.line,
                    format!("non executable command in pipeline stage {stage}"),
                ));
            }
            pipe.commands.push(command);
            match words.tokens.front() {
                Some(Token::Sign("|")) => words.drop_one(),
                None | Some(Token::Sign(")")) => break,
                Some(other) => {
                    return Err(TemplateError::parse(words.line, format!("unexpected {other:?} in operand")));
                }
            }
        }
        self.variables.extend(pipe.variables.iter().filter(|_| pipe.target == Target::Declares).cloned());
        Ok(pipe)
    }

    /// `$x :=`, `$i, $x :=`, `$x =`
    fn left_side(&self, words: &mut Words) -> Result<Pipe, TemplateError> {
        let mut pipe = Pipe::default();
        words.skip_blanks();
        let significant: Vec<&Token> =
            words.tokens.iter().filter(|token| **token != Token::Space).take(4).collect();
        let (names, sign) = match significant.as_slice() {
            [Token::Variable(one), Token::Sign(sign @ (":=" | "=")), ..] => (vec![one.clone()], *sign),
            [
                Token::Variable(one),
                Token::Sign(","),
                Token::Variable(two),
                Token::Sign(sign @ (":=" | "=")),
            ] => (vec![one.clone(), two.clone()], *sign),
            _ => return Ok(pipe),
        };
        if sign == "=" {
            pipe.target = Target::Assigns;
            if let Some(unknown) = names.iter().find(|name| !self.variables.contains(name)) {
                return Err(TemplateError::parse(words.line, format!("undefined variable {unknown:?}")));
            }
        }
        while let Some(token) = words.tokens.pop_front() {
            if matches!(token, Token::Sign(":=" | "=")) {
                break;
            }
        }
        pipe.variables = names;
        Ok(pipe)
    }

    fn command(&mut self, words: &mut Words) -> Result<Vec<Expr>, TemplateError> {
        let mut out = Vec::new();
        loop {
            words.skip_blanks();
            match words.tokens.front() {
                None | Some(Token::Sign("|" | ")")) => return Ok(out),
                Some(_) => out.push(self.operand(words)?),
            }
            match words.tokens.front() {
                None | Some(Token::Space | Token::Sign("|" | ")")) => {}
                Some(other) => {
                    return Err(TemplateError::parse(words.line, format!("unexpected {other:?} in operand")));
                }
            }
        }
    }

    fn operand(&mut self, words: &mut Words) -> Result<Expr, TemplateError> {
        let line = words.line;
        let Some(token) = words.tokens.pop_front() else {
            return Err(TemplateError::parse(line, "missing value for command"));
        };
        Ok(match token {
            Token::Dot => Expr::Dot,
            Token::Text(text) => Expr::Text(text),
            Token::Int(number) => Expr::Int(number),
            Token::Float(number) => Expr::Float(number),
            Token::Field(name) => {
                let mut names = vec![name];
                names.extend(words.fields());
                Expr::Field(names)
            }
            Token::Variable(name) => {
                if !self.variables.contains(&name) {
                    return Err(TemplateError::parse(line, format!("undefined variable {name:?}")));
                }
                Expr::Variable(name, words.fields())
            }
            Token::Word(word) => match word.as_str() {
                "nil" => Expr::Nil,
                "true" => Expr::Bool(true),
                "false" => Expr::Bool(false),
                _ if is_function(&word) => Expr::Function(word),
                _ => return Err(TemplateError::parse(line, format!("function {word:?} not defined"))),
            },
            Token::Sign("(") => {
                let pipe = self.pipe(words)?;
                match words.tokens.pop_front() {
                    Some(Token::Sign(")")) => Expr::Group(Box::new(pipe), words.fields()),
                    _ => return Err(TemplateError::parse(line, "unclosed left paren")),
                }
            }
            other => return Err(TemplateError::parse(line, format!("unexpected {other:?} in operand"))),
        })
    }
}

/// The tokens of one action.
struct Words {
    tokens: VecDeque<Token>,
    line: usize,
}

impl Words {
    fn skip_blanks(&mut self) {
        while self.tokens.front() == Some(&Token::Space) {
            self.tokens.pop_front();
        }
    }

    fn drop_one(&mut self) {
        self.tokens.pop_front();
    }

    fn keyword(&self) -> Option<&str> {
        const KEYWORDS: [&str; 10] =
            ["if", "else", "end", "range", "with", "define", "template", "block", "break", "continue"];
        match self.tokens.front() {
            Some(Token::Word(word)) if KEYWORDS.contains(&word.as_str()) => Some(word),
            _ => None,
        }
    }

    /// `.A.B` after an operand.
    fn fields(&mut self) -> Vec<String> {
        let mut out = Vec::new();
        while let Some(Token::Field(name)) = self.tokens.front() {
            out.push(name.clone());
            self.tokens.pop_front();
        }
        out
    }

    fn name(&mut self, place: &str) -> Result<String, TemplateError> {
        match self.tokens.pop_front() {
            Some(Token::Text(name)) => Ok(name),
            other => Err(TemplateError::parse(self.line, format!("unexpected {other:?} in {place}"))),
        }
    }

    fn must_be_done(&mut self, place: &str) -> Result<(), TemplateError> {
        self.skip_blanks();
        match self.tokens.front() {
            None => Ok(()),
            Some(other) => Err(TemplateError::parse(self.line, format!("unexpected {other:?} in {place}"))),
        }
    }
}

//! What is replayed: [`Requests`].

use crate::{Error, Result};

/// The most tokens that a prompt or an answer may have.
pub const MOST_TOKENS: u32 = 1 << 28;

/// Requests in columns of one length, by rising arrival.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Requests {
    /// When they arrive, s from the beginning; rising.
    pub arrival_s: Vec<f64>,
    /// Prompt tokens, at least 1.
    pub input_tokens: Vec<u32>,
    /// Tokens of the answer, at least 1.
    pub output_tokens: Vec<u32>,
    /// Index of the query type in the problem.
    pub query_type: Vec<u32>,
    /// What their prompts begin with; `None` where nothing is shared.
    pub prefixes: Option<Prefixes>,
}

/// Hashes of the leading blocks of every prompt: equal hashes are equal blocks after equal beginnings.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Prefixes {
    /// Tokens of a hashed block; a multiple of the engine's block of 16 tokens.
    pub block_tokens: u32,
    /// Where each request's hashes begin in `hashes`; one more entry than there are requests.
    pub offset: Vec<u64>,
    /// The hashes of all requests, one request after the other.
    pub hashes: Vec<u64>,
}

impl Prefixes {
    /// Hashes of one request's whole blocks, in order.
    pub(super) fn of(&self, request: u32) -> &[u64] {
        let at = request as usize;
        &self.hashes[self.offset[at] as usize..self.offset[at + 1] as usize]
    }
}

impl Requests {
    /// Number of requests.
    pub fn len(&self) -> usize {
        self.arrival_s.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.arrival_s.is_empty()
    }

    /// Checks lengths, ranges and order.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the first entry that breaks a rule.
    pub fn validate(&self, num_query_types: usize) -> Result<()> {
        let count = self.len();
        if count >= u32::MAX as usize {
            return Err(Error::invalid(
                "requests",
                format!("has {count} entries; at most {} are replayed", u32::MAX - 1),
            ));
        }
        for (name, length) in [
            ("input_tokens", self.input_tokens.len()),
            ("output_tokens", self.output_tokens.len()),
            ("query_type", self.query_type.len()),
        ] {
            if length != count {
                let message = format!("has {length} entries where arrival_s has {count}");
                return Err(Error::invalid(format!("requests.{name}"), message));
            }
        }
        let mut last = 0.0;
        for (n, &arrival) in self.arrival_s.iter().enumerate() {
            if !(arrival.is_finite() && arrival >= last && arrival <= 1e12) {
                let message = format!("must rise from at least 0 s to at most 1e12 s, got {arrival} after {last}");
                return Err(Error::invalid(format!("requests.arrival_s[{n}]"), message));
            }
            last = arrival;
        }
        for (name, tokens) in [("input_tokens", &self.input_tokens), ("output_tokens", &self.output_tokens)] {
            if let Some(n) = tokens.iter().position(|&tokens| tokens == 0 || tokens > MOST_TOKENS) {
                let message = format!("must lie between 1 and {MOST_TOKENS}, got {}", tokens[n]);
                return Err(Error::invalid(format!("requests.{name}[{n}]"), message));
            }
        }
        if let Some(n) = self.query_type.iter().position(|&i| i as usize >= num_query_types) {
            let message = format!("is {}, out of range for {num_query_types} entries", self.query_type[n]);
            return Err(Error::invalid(format!("requests.query_type[{n}]"), message));
        }
        self.prefixes.as_ref().map_or(Ok(()), |prefixes| prefixes.validate(count))
    }
}

/// The requests of one deployment, in order of arrival; engines name them by their place here.
#[derive(Debug, Default)]
pub(super) struct Jobs<'a> {
    /// Their index among all requests.
    pub(super) id: Vec<u32>,
    pub(super) arrival_s: Vec<f64>,
    pub(super) input_tokens: Vec<u32>,
    pub(super) output_tokens: Vec<u32>,
    pub(super) prefixes: Option<&'a Prefixes>,
    /// Query types of all requests.
    query_types: &'a [u32],
}

impl<'a> Jobs<'a> {
    /// The requests with the indices `id`.
    pub(super) fn gather(requests: &'a Requests, id: Vec<u32>) -> Self {
        let of = |column: &[u32]| id.iter().map(|&n| column[n as usize]).collect();
        Self {
            arrival_s: id.iter().map(|&n| requests.arrival_s[n as usize]).collect(),
            input_tokens: of(&requests.input_tokens),
            output_tokens: of(&requests.output_tokens),
            prefixes: requests.prefixes.as_ref(),
            query_types: &requests.query_type,
            id,
        }
    }

    /// Query type of a request.
    #[inline]
    pub(super) fn query_type(&self, request: u32) -> usize {
        self.query_types[self.id[request as usize] as usize] as usize
    }

    /// Prompt and answer of a request, tokens.
    #[inline]
    pub(super) fn tokens(&self, request: u32) -> (u64, u64) {
        (u64::from(self.input_tokens[request as usize]), u64::from(self.output_tokens[request as usize]))
    }
}

impl Prefixes {
    fn validate(&self, requests: usize) -> Result<()> {
        if self.block_tokens == 0 || self.block_tokens % super::BLOCK_TOKENS != 0 {
            let message = format!("must be a multiple of {}, got {}", super::BLOCK_TOKENS, self.block_tokens);
            return Err(Error::invalid("requests.prefix_block_tokens", message));
        }
        let rises = self.offset.windows(2).all(|pair| pair[0] <= pair[1]);
        let ends = self.offset.first() == Some(&0) && self.offset.last() == Some(&(self.hashes.len() as u64));
        match self.offset.len() == requests + 1 && rises && ends {
            true => Ok(()),
            false => Err(Error::invalid(
                "requests.prefix_offset",
                format!("must rise from 0 to {} in {} entries", self.hashes.len(), requests + 1),
            )),
        }
    }
}

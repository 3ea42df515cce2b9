//! Cutting files into pieces, where their content says so.
//!
//! FastCDC (Xia et al., 2020; the `fastcdc` crate, normalization level 1, no seed): a cut depends on the bytes before
//! it and on nothing else, so that an edit moves the cuts near it and no others. Which sizes are aimed at is a pure
//! function of the file's size ([`Chunking`]), and data: a hub's `FORMAT` names it.
//!
//! Laws:
//! - a stream is cut where the whole slice would be, whatever the reads return, through a buffer of four times the
//!   longest piece: a file of any size passes through at most 4 MiB;
//! - every piece and the whole file are hashed in one pass; a file that is one piece is hashed once;
//! - the sizes are validated here: the crate checks them in debug builds only, and odd ones would move cuts.

use std::io::{ErrorKind as IoKind, Read};

use fastcdc::v2020::{FastCDC, Normalization};
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::hash::{Digest, Hasher};

use super::recipe::{MAX_CHUNK, MAX_PIECES, PieceRef, Recipe};

/// The least, the average and the greatest length of a piece, in bytes: powers of two, in rising order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Lengths")]
pub struct ChunkerParams {
    min: u32,
    avg: u32,
    max: u32,
}

#[derive(Deserialize)]
struct Lengths {
    min: u32,
    avg: u32,
    max: u32,
}

impl TryFrom<Lengths> for ChunkerParams {
    type Error = Error;

    fn try_from(lengths: Lengths) -> Result<Self> {
        Self::new(lengths.min, lengths.avg, lengths.max)
    }
}

impl ChunkerParams {
    /// Checks the lengths: powers of two, `64 <= min < avg < max <= 1 MiB`, `avg` at least 256, `max` at least 1024.
    pub fn new(min: u32, avg: u32, max: u32) -> Result<Self> {
        let powers = [min, avg, max].into_iter().all(u32::is_power_of_two);
        let rising = 64 <= min && min < avg && avg < max && max as usize <= MAX_CHUNK;
        if powers && rising && avg >= 256 && max >= 1024 {
            Ok(Self { min, avg, max })
        } else {
            Err(Error::new(ErrorKind::Unsupported, format!("pieces of {min}, {avg} and {max} bytes cannot be cut")))
        }
    }

    /// The length of the first piece of `bytes`: all of them, if there are no more to come and they are few.
    fn first(self, bytes: &[u8]) -> usize {
        let (min, avg, max) = (self.min as usize, self.avg as usize, self.max as usize);
        FastCDC::with_level(bytes, min, avg, max, Normalization::Level1).cut(0, bytes.len()).1
    }
}

/// How files are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunking {
    algorithm: Algorithm,
    ordinary: ChunkerParams,
    large: ChunkerParams,
    large_above: u64,
}

/// The one algorithm that this version knows. A later one gets a name of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Algorithm {
    #[serde(rename = "fastcdc-2020")]
    FastCdc2020,
}

impl Default for Chunking {
    fn default() -> Self {
        Self::V1
    }
}

impl Chunking {
    /// 4, 16 and 64 KiB; above 8 GiB 64, 256 and 1024 KiB, so that a recipe stays bounded.
    pub const V1: Self = Self {
        algorithm: Algorithm::FastCdc2020,
        ordinary: ChunkerParams { min: 4 << 10, avg: 16 << 10, max: 64 << 10 },
        large: ChunkerParams { min: 64 << 10, avg: 256 << 10, max: 1 << 20 },
        large_above: 8 << 30,
    };

    /// Cuts all files with `ordinary`, and those of more than `large_above` bytes with `large`.
    pub fn new(ordinary: ChunkerParams, large: ChunkerParams, large_above: u64) -> Self {
        Self { algorithm: Algorithm::FastCdc2020, ordinary, large, large_above }
    }

    /// The lengths for a file of `size` bytes.
    pub fn params(&self, size: u64) -> ChunkerParams {
        if size > self.large_above { self.large } else { self.ordinary }
    }

    /// Cuts `reader` as a file of `size` bytes and hands every piece to `visit`, in order.
    ///
    /// A reader that has more or less than `size` bytes is cut all the same: compare [`Cut::hash`] with what was
    /// expected. Errors: reading failed, `visit` failed, the context was cancelled, the file needs too many pieces.
    pub fn cut<R: Read>(
        &self,
        cx: &Context,
        reader: R,
        size: u64,
        mut visit: impl FnMut(Piece<'_>) -> Result<()>,
    ) -> Result<Cut> {
        let mut pieces = Pieces::new(self, reader, size);
        while let Some(piece) = pieces.next(cx)? {
            visit(piece)?;
        }
        pieces.finish()
    }

    /// Cuts bytes that are in memory already.
    pub fn cut_slice(&self, bytes: &[u8]) -> Result<Cut> {
        let params = self.params(bytes.len() as u64);
        let mut tally = Tally::default();
        let mut rest = bytes;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(params.first(rest));
            tally.add(piece, after.is_empty())?;
            rest = after;
        }
        tally.finish()
    }

    /// The recipe and the hash of a local file, keeping none of its bytes.
    pub fn measure<R: Read>(&self, cx: &Context, reader: R, size: u64) -> Result<Cut> {
        self.cut(cx, reader, size, |_| Ok(()))
    }
}

/// One piece that was cut: its name and its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// BLAKE3 of the bytes.
    pub hash: Digest,
    /// The bytes.
    pub bytes: &'a [u8],
}

/// A file that was cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Its pieces. Empty for an empty file; one piece has the file's own hash.
    pub recipe: Recipe,
    /// BLAKE3 of the whole file.
    pub hash: Digest,
}

/// The pieces of a stream, one after the other.
pub(crate) struct Pieces<R> {
    reader: R,
    params: ChunkerParams,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    at_end: bool,
    tally: Tally,
}

impl<R: Read> Pieces<R> {
    pub(crate) fn new(chunking: &Chunking, reader: R, size: u64) -> Self {
        let params = chunking.params(size);
        let most = 4 * params.max as usize;
        // One byte more than the file has, so that the read which fills the buffer is not taken for a full one.
        let wanted = usize::try_from(size.saturating_add(1)).unwrap_or(most);
        let buffer = vec![0; wanted.clamp(params.max as usize, most)];
        Self { reader, params, buffer, start: 0, end: 0, at_end: false, tally: Tally::default() }
    }

    /// The next piece; `None` at the end of the stream.
    pub(crate) fn next(&mut self, cx: &Context) -> Result<Option<Piece<'_>>> {
        if self.end - self.start < self.params.max as usize && !self.at_end {
            cx.check()?;
            self.fill()?;
        }
        let window = &self.buffer[self.start..self.end];
        if window.is_empty() {
            return Ok(None);
        }
        let length = self.params.first(window);
        let bytes = &window[..length];
        let hash = self.tally.add(bytes, self.at_end && length == window.len())?;
        self.start += length;
        Ok(Some(Piece { hash, bytes }))
    }

    /// What the stream came to, once [`Pieces::next`] has said that it ended.
    pub(crate) fn finish(self) -> Result<Cut> {
        self.tally.finish()
    }

    /// Moves what is left to the front and reads until the buffer is full or the stream ends.
    fn fill(&mut self) -> Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        while self.end < self.buffer.len() {
            match self.reader.read(&mut self.buffer[self.end..]) {
                Ok(0) => {
                    self.at_end = true;
                    break;
                }
                Ok(count) => self.end += count,
                Err(error) if error.kind() == IoKind::Interrupted => {}
                Err(error) => return Err(Error::new(ErrorKind::Io, "").op("read").because(error)),
            }
        }
        Ok(())
    }
}

/// The recipe and the file's hash as they grow.
#[derive(Default)]
struct Tally {
    pieces: Vec<PieceRef>,
    whole: Option<Hasher>,
    only: Option<Digest>,
}

impl Tally {
    /// Takes the next piece. `last` says that no byte follows.
    fn add(&mut self, bytes: &[u8], last: bool) -> Result<Digest> {
        if self.pieces.len() == MAX_PIECES {
            return Err(Error::new(ErrorKind::Unsupported, format!("the file has more than {MAX_PIECES} pieces")));
        }
        let hash = Digest::of(bytes);
        if last && self.pieces.is_empty() {
            self.only = Some(hash);
        } else {
            self.whole.get_or_insert_with(Hasher::plain).update(bytes);
        }
        let length = u32::try_from(bytes.len()).expect("because no piece is longer than 1 MiB");
        self.pieces.push(PieceRef { hash, length });
        Ok(hash)
    }

    fn finish(self) -> Result<Cut> {
        let hash = self.only.unwrap_or_else(|| self.whole.unwrap_or_default().finish());
        Ok(Cut { recipe: Recipe::new(self.pieces)?, hash })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::testing::{noise, prose};
    use proptest::prelude::*;

    /// Small lengths, so that short inputs have many pieces.
    fn fine() -> Chunking {
        let fine = ChunkerParams::new(64, 256, 1024).expect("params");
        let coarse = ChunkerParams::new(256, 1024, 4096).expect("params");
        Chunking::new(fine, coarse, 40_000)
    }

    /// A reader that returns as few bytes as it likes, and is interrupted now and then.
    struct Stutter<'a>(&'a [u8], usize);

    impl Read for Stutter<'_> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            self.1 = self.1.wrapping_mul(31).wrapping_add(7);
            if self.1.is_multiple_of(5) {
                return Err(IoKind::Interrupted.into());
            }
            let count = into.len().min(self.0.len()).min(1 + self.1 % 700);
            into[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn lengths(cut: &Cut) -> Vec<u32> {
        cut.recipe.pieces().iter().map(|piece| piece.length).collect()
    }

    #[test]
    fn golden_cut_points() {
        let bytes = noise(1, 1 << 20);
        let cut = Chunking::V1.cut_slice(&bytes).expect("cut");
        assert_eq!(cut.hash, Digest::of(&bytes));
        let ends: Vec<u8> = lengths(&cut).iter().flat_map(|length| length.to_le_bytes()).collect();
        assert_eq!(
            (lengths(&cut).len(), &lengths(&cut)[..6], Digest::of(&ends).to_string().as_str()),
            (
                61,
                &[16594, 4854, 6680, 16852, 17387, 7368][..],
                "849e26cbc31034012ccbeec401326c07b36e793082ed17f18296901099a457ae"
            )
        );
        let large = Chunking { large_above: 0, ..Chunking::V1 };
        assert_eq!(lengths(&large.cut_slice(&bytes).expect("cut")), [278_755, 88_644, 296_107, 385_070]);
    }

    #[test]
    fn the_lengths_depend_on_the_size_alone() {
        let of = |size| Chunking::V1.params(size);
        assert_eq!(of(8 << 30), ChunkerParams::new(4096, 16384, 65536).expect("params"));
        assert_eq!(of((8 << 30) + 1), ChunkerParams::new(65536, 262_144, 1_048_576).expect("params"));
    }

    #[test]
    fn names_itself_in_a_format_file_and_refuses_lengths_it_cannot_keep() {
        let json = serde_json::to_string(&Chunking::V1).expect("json");
        assert_eq!(
            json,
            r#"{"algorithm":"fastcdc-2020","ordinary":{"min":4096,"avg":16384,"max":65536},"large":{"min":65536,"avg":262144,"max":1048576},"large_above":8589934592}"#
        );
        assert_eq!(serde_json::from_str::<Chunking>(&json).expect("json"), Chunking::V1);
        assert!(serde_json::from_str::<Chunking>(&json.replace("16384", "16386")).is_err());
        assert!(serde_json::from_str::<Chunking>(&json.replace("fastcdc-2020", "rabin")).is_err());
        for (min, avg, max) in [(0, 256, 1024), (32, 256, 1024), (256, 256, 1024), (64, 128, 1024), (64, 256, 512)] {
            assert!(ChunkerParams::new(min, avg, max).is_err(), "{min} {avg} {max}");
        }
        assert!(ChunkerParams::new(4096, 16384, 2 << 20).is_err());
    }

    #[test]
    fn empty_and_short_files() {
        let cx = Context::new();
        let empty = Chunking::V1.measure(&cx, &b""[..], 0).expect("cut");
        assert_eq!((empty.recipe.pieces().len(), empty.hash), (0, Digest::of(b"")));
        for length in [1, 4095, 4096, 4097] {
            let bytes = noise(9, length);
            let cut = Chunking::V1.measure(&cx, &bytes[..], length as u64).expect("cut");
            assert_eq!(cut, Chunking::V1.cut_slice(&bytes).expect("cut"));
            assert_eq!(cut.recipe.pieces()[0].hash, cut.hash);
        }
    }

    #[test]
    fn a_failing_reader_and_a_cancelled_context_are_errors() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                Err(std::io::Error::from_raw_os_error(5))
            }
        }
        let cx = Context::new();
        assert_eq!(Chunking::V1.measure(&cx, Broken, 10).expect_err("broken").kind(), ErrorKind::Io);
        cx.cancel().cancel();
        assert_eq!(Chunking::V1.measure(&cx, &b"x"[..], 1).expect_err("cancelled").kind(), ErrorKind::Cancelled);
    }

    #[test]
    fn a_gibibyte_passes_through_a_small_buffer_that_never_grows() {
        let size = 1u64 << 30;
        let mut pieces = Pieces::new(&Chunking::V1, std::io::repeat(0).take(size), size);
        let held = pieces.buffer.capacity();
        assert!(held <= 4 << 20);
        let mut count = 0;
        while let Some(piece) = pieces.next(&Context::new()).expect("piece") {
            assert_eq!(piece.bytes.len(), 64 << 10);
            count += 1;
        }
        assert_eq!((pieces.buffer.capacity(), count), (held, 16384));
        assert_eq!(pieces.finish().expect("cut").recipe.size(), size);
    }

    proptest! {
        #[test]
        fn a_stream_is_cut_where_the_slice_is(seed: u64, length in 0usize..90_000, pause: usize, text: bool) {
            let bytes = if text { prose(seed, length) } else { noise(seed, length) };
            let mut joined = Vec::new();
            let streamed = fine().cut(&Context::new(), Stutter(&bytes, pause), length as u64, |piece| {
                assert_eq!(piece.hash, Digest::of(piece.bytes));
                joined.extend_from_slice(piece.bytes);
                Ok(())
            });
            let streamed = streamed.expect("cut");
            prop_assert_eq!(&streamed, &fine().cut_slice(&bytes).expect("cut"));
            prop_assert_eq!(streamed.hash, Digest::of(&bytes));
            prop_assert_eq!(joined, bytes);
        }

        #[test]
        fn pieces_keep_their_lengths_and_the_crates_own_iterator_agrees(seed: u64, length in 0usize..40_000) {
            let bytes = noise(seed, length);
            let ours = lengths(&fine().cut_slice(&bytes).expect("cut"));
            let theirs: Vec<u32> = FastCDC::new(&bytes, 64, 256, 1024).map(|chunk| chunk.length as u32).collect();
            prop_assert_eq!(&ours, &theirs);
            if let Some((_, all_but_last)) = ours.split_last() {
                prop_assert!(all_but_last.iter().all(|length| (64..=1024).contains(length)));
            }
        }
    }
}

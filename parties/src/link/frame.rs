//! Messages as frames of a stream: a header of 26 bytes (step 16, phase 2, depth 4, payload length
//! 4, numbers little-endian), then the payload.

use protocols::{step::StepId, transport::Received};

/// Bytes of a header.
pub(crate) const HEADER: usize = 26;

/// The longest payload, in bytes. Chunked layers stay far below; a matrix product or convolution is
/// one message a batch, so it bounds the batch.
pub(crate) const MAX_PAYLOAD: usize = 256 << 20;

/// The step of the frames in which a receiver reports how many bytes of payload it has taken in all
/// (8 bytes, little-endian). No protocol uses it: it is no hash of a known path.
pub(crate) const TAKEN: StepId = StepId([0; 16]);

/// A header that announces more than [`MAX_PAYLOAD`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame announces {length} bytes, over the limit of {MAX_PAYLOAD}")]
pub(crate) struct Oversized {
    /// The step that it belongs to.
    pub step: StepId,
    /// Its phase.
    pub phase: u16,
    /// The announced length.
    pub length: u32,
}

/// The header of a frame.
pub(crate) fn header(step: StepId, phase: u16, depth: u32, length: u32) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[..16].copy_from_slice(&step.0);
    bytes[16..18].copy_from_slice(&phase.to_le_bytes());
    bytes[18..22].copy_from_slice(&depth.to_le_bytes());
    bytes[22..].copy_from_slice(&length.to_le_bytes());
    bytes
}

/// Cuts a stream of bytes, however it comes in pieces, into messages.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    header: Vec<u8>,
    body: Option<Body>,
}

#[derive(Debug)]
struct Body {
    step: StepId,
    message: Received,
    length: usize,
}

impl Decoder {
    /// A decoder at the start of a stream.
    pub(crate) fn new() -> Decoder {
        Decoder::default()
    }

    /// Takes the next bytes of the stream and hands out each message that they complete.
    ///
    /// # Errors
    /// [`Oversized`], before anything is allocated for the payload; the stream is of no use then.
    pub(crate) fn push(
        &mut self,
        mut bytes: &[u8],
        mut deliver: impl FnMut(StepId, Received),
    ) -> Result<(), Oversized> {
        while !bytes.is_empty() {
            let mut body = match self.body.take() {
                Some(body) => body,
                None => {
                    let taken = bytes.len().min(HEADER - self.header.len());
                    self.header.extend_from_slice(&bytes[..taken]);
                    bytes = &bytes[taken..];
                    if self.header.len() < HEADER {
                        return Ok(());
                    }
                    let body = Body::announced(&self.header)?;
                    self.header.clear();
                    body
                }
            };
            let taken = bytes.len().min(body.length - body.message.payload.len());
            body.extend(&bytes[..taken]);
            bytes = &bytes[taken..];
            if body.message.payload.len() == body.length {
                deliver(body.step, body.message);
            } else {
                self.body = Some(body);
            }
        }
        Ok(())
    }

    /// Whether the stream may end here.
    pub(crate) fn is_between_frames(&self) -> bool {
        self.header.is_empty() && self.body.is_none()
    }
}

impl Body {
    fn announced(header: &[u8]) -> Result<Body, Oversized> {
        let step = StepId(header[..16].try_into().expect("16 bytes"));
        let phase = u16::from_le_bytes(header[16..18].try_into().expect("2 bytes"));
        let depth = u32::from_le_bytes(header[18..22].try_into().expect("4 bytes"));
        let length = u32::from_le_bytes(header[22..].try_into().expect("4 bytes"));
        if length as usize > MAX_PAYLOAD {
            return Err(Oversized { step, phase, length });
        }
        let message = Received { phase, depth, payload: Vec::new() };
        Ok(Body { step, message, length: length as usize })
    }

    /// Allocates as bytes come, not what the header announces.
    fn extend(&mut self, bytes: &[u8]) {
        const STEP: usize = 1 << 20;
        let payload = &mut self.message.payload;
        if payload.capacity() - payload.len() < bytes.len() {
            let more = payload.len().max(STEP).max(bytes.len()).min(self.length - payload.len());
            payload.reserve_exact(more);
        }
        payload.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_survive_any_cut() {
        let messages: Vec<_> = [0usize, 1, 49, 5000, 3 << 20]
            .into_iter()
            .enumerate()
            .map(|(i, length)| {
                let payload: Vec<u8> = (0..length).map(|j| (i + j) as u8).collect();
                (StepId([i as u8; 16]), Received { phase: i as u16, depth: 7, payload })
            })
            .collect();
        let mut stream = Vec::new();
        for (step, message) in &messages {
            let length = message.payload.len() as u32;
            stream.extend_from_slice(&header(*step, message.phase, message.depth, length));
            stream.extend_from_slice(&message.payload);
        }
        for piece in [1, 25, 26, 27, 1000, 1 << 20, usize::MAX] {
            let mut decoder = Decoder::new();
            let mut decoded = Vec::new();
            for bytes in stream.chunks(piece) {
                decoder.push(bytes, |step, message| decoded.push((step, message))).unwrap();
            }
            assert!(decoder.is_between_frames());
            assert!(decoded == messages, "pieces of {piece}");
        }
    }

    #[test]
    fn a_cut_frame_is_noticed() {
        let stream = [&header(StepId([1; 16]), 1, 1, 3)[..], &[1, 2]].concat();
        for cut in 1..stream.len() {
            let mut decoder = Decoder::new();
            decoder.push(&stream[..cut], |_, _| panic!("nothing is complete")).unwrap();
            assert!(!decoder.is_between_frames(), "cut at {cut}");
        }
    }

    #[test]
    fn an_oversized_frame_is_refused_before_its_payload() {
        let step = StepId([1; 16]);
        let length = MAX_PAYLOAD as u32 + 1;
        let error = Decoder::new().push(&header(step, 2, 1, length), |_, _| ()).unwrap_err();
        assert_eq!(error, Oversized { step, phase: 2, length });
    }

    #[test]
    fn a_large_announcement_alone_takes_little_memory() {
        let mut decoder = Decoder::new();
        decoder.push(&header(StepId([1; 16]), 1, 1, MAX_PAYLOAD as u32), |_, _| ()).unwrap();
        decoder.push(&[0; 1000], |_, _| ()).unwrap();
        let body = decoder.body.expect("a frame has begun");
        assert!(body.message.payload.capacity() <= 1 << 20);
    }
}

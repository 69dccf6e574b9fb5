package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/IBM/sarama"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy/xerial"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// maxUnpacked bounds the size of a batch after decompression.
const maxUnpacked = 512 << 20

var errTooLarge = fmt.Errorf("it is larger than %d bytes when unpacked", maxUnpacked)

// unpacker decompresses batches. It is used by one goroutine at a time.
type unpacker struct {
	ratio int // by how much the last batch grew, rounded up; 0 before the first
	gzip  *gzip.Reader
	lz4   *lz4.Reader
	src   bytes.Reader
}

// unpack returns the decompressed src, in memory of newBuffer.
func (u *unpacker) unpack(codec sarama.CompressionCodec, src []byte) (dst []byte, err error) {
	dst = newBuffer(min(len(src)*max(u.ratio, 4), maxUnpacked))
	u.src.Reset(src)
	switch codec {
	case sarama.CompressionGZIP:
		if u.gzip == nil {
			u.gzip, err = gzip.NewReader(&u.src)
		} else {
			err = u.gzip.Reset(&u.src)
		}
		if err != nil {
			u.gzip = nil
			break
		}
		dst, err = readAll(dst[:0], u.gzip)
	case sarama.CompressionSnappy:
		var out []byte
		out, err = xerial.DecodeCapped(dst, src)
		for errors.Is(err, xerial.ErrDstTooSmall) && cap(dst) < maxUnpacked {
			dst = grow(dst[:0])
			out, err = xerial.DecodeCapped(dst, src)
		}
		if errors.Is(err, xerial.ErrDstTooSmall) {
			err = errTooLarge
		}
		if err == nil {
			dst = out // which lies in dst
		}
	case sarama.CompressionLZ4:
		if u.lz4 == nil {
			u.lz4 = lz4.NewReader(&u.src)
		} else {
			u.lz4.Reset(&u.src)
		}
		dst, err = readAll(dst[:0], u.lz4)
	case sarama.CompressionZSTD:
		var decoder *zstd.Decoder
		if decoder, err = zstdDecoder(); err != nil {
			break
		}
		var out []byte
		out, err = decoder.DecodeAll(src, dst[:0])
		if err == nil && cap(out) != cap(dst) { // too small, and another was allocated
			freeBuffer(dst)
		}
		if err == nil {
			dst = out
		}
	default:
		err = fmt.Errorf("codec %d is not known", codec)
	}
	if err != nil {
		freeBuffer(dst)
		return nil, err
	}
	u.ratio = min(len(dst)/max(len(src), 1)+1, 64)
	return dst, nil
}

// zstdDecoder serves all goroutines.
var zstdDecoder = sync.OnceValues(func() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxUnpacked))
})

// readAll appends the data of r to dst, a buffer of newBuffer, and returns dst or its larger replacement in every case.
func readAll(dst []byte, r io.Reader) ([]byte, error) {
	for idle := 0; idle < 100; {
		if len(dst) == cap(dst) {
			if cap(dst) >= maxUnpacked {
				return dst, errTooLarge
			}
			dst = grow(dst)
		}
		n, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		switch {
		case errors.Is(err, io.EOF):
			return dst, nil
		case err != nil:
			return dst, err
		case n == 0:
			idle++
		default:
			idle = 0
		}
	}
	return dst, io.ErrNoProgress
}

// grow returns a copy of a buffer with twice its capacity, and frees it.
func grow(buffer []byte) []byte {
	larger := newBuffer(2 * cap(buffer))[:len(buffer)]
	copy(larger, buffer)
	freeBuffer(buffer)
	return larger
}

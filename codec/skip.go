package codec

import (
	"errors"
	"fmt"
)

// ErrIgnore is returned (or wrapped) by Decode or Split for a message that does not belong to the stream, such as a
// heartbeat between the data: the record is passed over, counted as ignored and not an error.
var ErrIgnore = errors.New("message ignored")

// ErrUnavailable is in the chain of an error that is not the record's fault, such as a schema that the registry refuses.
// The application ends with it under every error policy: it must not skip good records.
var ErrUnavailable = errors.New("unavailable")

// ErrOutage is an ErrUnavailable that passes, such as a schema registry that does not answer. The application goes back to
// its last checkpoint, holds its input back and tries again, for as long as runtime.Config.CodecTimeout says, before it ends.
var ErrOutage = fmt.Errorf("outage: %w", ErrUnavailable)

// Splitter is implemented by codecs of messages that hold several values. A topic with such a value codec gives one
// record for each value, all with the key, time, headers and origin of the message; none gives no record.
type Splitter[T any] interface {
	// Split appends the values that data encodes to dst, in order. It decodes all of them, so that nothing of a
	// message is processed that turns out to be broken. The rules of Decode hold: no memory of data is kept. After
	// an error the result is not used.
	Split(dst []T, c *Context, data []byte) ([]T, error)
}

// HeaderReader is implemented by codecs that read headers about the encoding of a message. The topology does not see
// these headers: its output may be encoded in another way.
type HeaderReader interface {
	// FormatHeaders returns the names of the headers that describe the part, always the same.
	FormatHeaders(part Part) []string
}

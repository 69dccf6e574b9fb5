package operator

import (
	"errors"
	"slices"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/raw"
)

// Input takes the records of one topic partition as they were fetched.
type Input interface {
	// Process decodes a record and runs it through the operators. Env.Origin has been set. The record and its bytes
	// are valid only during the call.
	Process(r *raw.Record) error
}

// Decoder is an [Input] that can decode a record for somebody who looks at it.
type Decoder interface {
	// Decode returns the key and the value of a record, nil for a null. It changes nothing.
	Decode(r *raw.Record) (key, value any, err error)
}

// Source decodes the records of a topic.
type Source[K, V any] struct {
	env          *Env
	node         int
	key          codec.Codec[K]
	value        codec.Codec[V]
	keyContext   codec.Context
	valueContext codec.Context
	split        codec.Splitter[V]              // nil if a message holds one value
	values       []V                            // empty between messages, for its memory
	at           func(*weir.Record[K, V]) int64 // nil takes the time of the message
	keyNull      nullRule[K]
	valueNull    nullRule[V]
	format       []string      // names of headers that go no further
	headers      []weir.Header // those that do, if some do not
	next         Receiver[K, V]
	out          weir.Record[K, V]
}

// NewSource returns a source that hands the records of topic to next. at says the event time of a record, in milliseconds; if
// it is nil, that is the time of the message.
func NewSource[K, V any](
	env *Env, node int, topic string, key codec.Codec[K], value codec.Codec[V], at func(*weir.Record[K, V]) int64, next Receiver[K, V],
) *Source[K, V] {
	split, _ := value.(codec.Splitter[V])
	return &Source[K, V]{
		env: env, node: node, key: key, value: value, split: split, at: at, next: next,
		keyNull: newNullRule(key), valueNull: newNullRule(value),
		format:       append(formatHeaders(key, codec.Key), formatHeaders(value, codec.Value)...),
		keyContext:   codec.Context{Topic: topic, Part: codec.Key},
		valueContext: codec.Context{Topic: topic, Part: codec.Value},
	}
}

// Process implements [Input]. The key is decoded first: a broken key fails before the value is looked at.
func (s *Source[K, V]) Process(r *raw.Record) error {
	env := s.env
	env.Enter(s.node)
	out := &s.out
	*out = weir.Record[K, V]{Millis: r.Millis, Headers: r.Headers, Origin: &env.Origin, KeyNull: r.Key == nil, ValueNull: r.Value == nil}
	var err error
	if !out.KeyNull {
		s.keyContext.Headers = r.Headers
		out.Key, err = s.key.Decode(&s.keyContext, r.Key)
		if s.keyNull.any && s.keyNull.decoded(&s.keyContext, r.Key, &out.Key, err) {
			out.KeyNull, err = true, nil
		}
		if err != nil {
			return s.failed(codec.Key, err)
		}
	}
	if !out.ValueNull {
		s.valueContext.Headers = r.Headers
		if s.split != nil {
			return s.processSplit(r)
		}
		out.Value, err = s.value.Decode(&s.valueContext, r.Value)
		if s.valueNull.any && s.valueNull.decoded(&s.valueContext, r.Value, &out.Value, err) {
			out.ValueNull, err = true, nil
		}
		if err != nil {
			return s.failed(codec.Value, err)
		}
	}
	if s.format != nil {
		out.Headers = s.withoutFormat(r.Headers)
	}
	return s.emit()
}

// Decode implements [Decoder]. The values of a message that holds several are a slice.
func (s *Source[K, V]) Decode(r *raw.Record) (key, value any, err error) {
	if r.Key != nil {
		in := s.keyContext
		in.Headers = r.Headers
		if key, err = s.key.Decode(&in, r.Key); err != nil {
			return nil, nil, codecError(codec.Key, false, err)
		}
	}
	if r.Value == nil {
		return key, nil, nil
	}
	in := s.valueContext
	in.Headers = r.Headers
	if s.split != nil {
		value, err = s.split.Split(nil, &in, r.Value)
	} else {
		value, err = s.value.Decode(&in, r.Value)
	}
	if err != nil {
		return key, nil, codecError(codec.Value, false, err)
	}
	return key, value, nil
}

// emit hands on the record, at its time.
func (s *Source[K, V]) emit() error {
	if s.at != nil {
		s.out.Millis = s.at(&s.out)
	}
	if s.out.Millis > s.env.StreamMillis {
		s.env.StreamMillis = s.out.Millis
	}
	if s.out.Millis < s.env.LeastMillis {
		s.env.LeastMillis = s.out.Millis
	}
	return s.next.Receive(&s.out)
}

// processSplit hands on a record for each value of a message. All are decoded before the first is handed on.
func (s *Source[K, V]) processSplit(r *raw.Record) error {
	values, err := s.split.Split(s.values[:0], &s.valueContext, r.Value)
	s.values = nil
	if err != nil {
		return s.failed(codec.Value, err)
	}
	if s.format != nil {
		s.out.Headers = s.withoutFormat(r.Headers)
	}
	whole := s.out
	for _, v := range values {
		s.out = whole
		s.out.Value = v
		if err := s.emit(); err != nil {
			return err
		}
	}
	clear(values)
	s.values = values
	return nil
}

// formatHeaders returns the names of the headers that a codec reads.
func formatHeaders(c any, part codec.Part) []string {
	if h, ok := c.(codec.HeaderReader); ok {
		return h.FormatHeaders(part)
	}
	return nil
}

// withoutFormat returns the headers without those that were about the encoding. The result is valid until the next call.
func (s *Source[K, V]) withoutFormat(headers []weir.Header) []weir.Header {
	s.headers = s.headers[:0]
	for _, h := range headers {
		if !slices.Contains(s.format, h.Key) {
			s.headers = append(s.headers, h)
		}
	}
	return s.headers
}

// failed counts a message that is to be ignored, and returns the error otherwise.
func (s *Source[K, V]) failed(part codec.Part, err error) error {
	if errors.Is(err, codec.ErrIgnore) {
		s.env.Ignored++
		return s.env.drop(s.node, weir.DropIgnored, err.Error(), nil)
	}
	return codecError(part, false, err)
}

// codecError wraps the error of a codec. No policy may skip the record if it is not the cause of the error.
func codecError(part codec.Part, encoding bool, err error) error {
	unavailable := errors.Is(err, codec.ErrUnavailable)
	err = &weir.CodecError{Part: part.String(), Encoding: encoding, Err: err}
	if unavailable {
		return Fatal(err)
	}
	return err
}

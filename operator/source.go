package operator

import (
	"fmt"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/broker"
)

// Input takes the records of one topic partition as they were fetched.
type Input interface {
	// Process decodes a record and runs it through the operators. Env.Origin has been set. The record and its bytes
	// are valid only during the call.
	Process(r *broker.Record) error
}

// Source decodes the records of a topic.
type Source[K, V any] struct {
	env          *Env
	node         int
	key          codec.Codec[K]
	value        codec.Codec[V]
	keyContext   codec.Context
	valueContext codec.Context
	next         Receiver[K, V]
	out          Record[K, V]
}

// NewSource returns a source that hands the records of topic to next.
func NewSource[K, V any](env *Env, node int, topic string, key codec.Codec[K], value codec.Codec[V], next Receiver[K, V]) *Source[K, V] {
	return &Source[K, V]{
		env: env, node: node, key: key, value: value, next: next,
		keyContext:   codec.Context{Topic: topic, Part: codec.Key},
		valueContext: codec.Context{Topic: topic, Part: codec.Value},
	}
}

// Process implements [Input]. The key is decoded first: a broken key fails before the value is looked at.
func (s *Source[K, V]) Process(r *broker.Record) error {
	env := s.env
	env.Enter(s.node)
	out := &s.out
	*out = Record[K, V]{Millis: r.Millis, Headers: r.Headers, Origin: &env.Origin, KeyNull: r.Key == nil, ValueNull: r.Value == nil}
	var err error
	if !out.KeyNull {
		s.keyContext.Headers = r.Headers
		if out.Key, err = s.key.Decode(&s.keyContext, r.Key); err != nil {
			return &CodecError{Part: codec.Key, Err: err}
		}
	}
	if !out.ValueNull {
		s.valueContext.Headers = r.Headers
		if out.Value, err = s.value.Decode(&s.valueContext, r.Value); err != nil {
			return &CodecError{Part: codec.Value, Err: err}
		}
	}
	if r.Millis > env.StreamMillis {
		env.StreamMillis = r.Millis
	}
	return s.next.Receive(out)
}

// CodecError says that a key or a value could not be decoded or encoded.
type CodecError struct {
	Part codec.Part
	// Encoding is true if the record was on its way out.
	Encoding bool
	Err      error
}

func (e *CodecError) Error() string {
	verb := "decode"
	if e.Encoding {
		verb = "encode"
	}
	return fmt.Sprintf("%s %s: %v", verb, e.Part, e.Err)
}

func (e *CodecError) Unwrap() error { return e.Err }

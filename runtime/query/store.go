package query

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/ability"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/internal/windowing"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/window"
)

// None is the field of rows that have none.
type None = struct{}

// Store says how the rows of a store are encoded, for queries: by keys of type K and fields of type F, with values of type V. It is immutable, may be used
// by any number of goroutines, and needs no topology: another program can declare the same.
type Store[K, F, V any] struct {
	name   string
	layout state.Layout
	key    codec.Codec[K]
	fields fields[F]
	// decode returns the value of a row, and false if the row counts for nothing.
	decode func(field F, value []byte) (V, error)
	// err is why the store cannot be read.
	err error
}

// fields encodes fields.
type fields[F any] struct {
	encode func(F) ([]byte, error)
	decode func([]byte) (F, error)
}

func noFields() fields[None] {
	return fields[None]{
		encode: func(None) ([]byte, error) { return nil, nil },
		decode: func([]byte) (None, error) { return None{}, nil },
	}
}

// handleOf returns the handle of package state that a handle of package store stands for.
func handleOf[T, H any](h store.Handle[T]) (handle H, name string, err error) {
	uses, err := state.Declared(state.Declaration[T](h))
	if err != nil {
		return handle, "", err
	}
	handle, ok := uses[0].Handle.(H)
	if !ok {
		return handle, "", fmt.Errorf("the handle is a %T", uses[0].Handle)
	}
	return handle, uses[0].Name, nil
}

// valueOf returns the function that decodes the states of a store.
func valueOf[F, V any](c codec.Codec[V], name string) func(F, []byte) (V, error) {
	return func(_ F, value []byte) (V, error) {
		return c.Decode(&codec.Context{Topic: name, Part: codec.State}, value)
	}
}

// Cells describes a cell: a row for each key. key is the codec of the keys of the stream, such as that of its topic.
func Cells[K, S any](h *store.CellHandle[S], key codec.Codec[K]) Store[K, None, S] {
	s := Store[K, None, S]{key: key, fields: noFields()}
	var handle *state.CellHandle[S]
	if handle, s.name, s.err = handleOf[*store.Cell[S], *state.CellHandle[S]](h); s.err == nil {
		s.decode = valueOf[None](state.CodecOf(handle), s.name)
	}
	return s.checked()
}

// Maps describes a map: a row for each key and field. The fields of a key are in the order of their encoded bytes.
func Maps[K, F, S any](h *store.MapHandle[F, S], key codec.Codec[K]) Store[K, F, S] {
	s := Store[K, F, S]{layout: state.MapLayout, key: key}
	var handle *state.MapHandle[F, S]
	if handle, s.name, s.err = handleOf[*store.Map[F, S], *state.MapHandle[F, S]](h); s.err == nil {
		fieldCodec, states := state.CodecsOf(handle)
		context := codec.Context{Topic: s.name, Part: codec.State}
		s.decode = valueOf[F](states, s.name)
		s.fields = fields[F]{
			encode: func(f F) ([]byte, error) { c := context; return fieldCodec.Append(nil, &c, f) },
			decode: func(b []byte) (F, error) { c := context; return fieldCodec.Decode(&c, b) },
		}
	}
	return s.checked()
}

// Version is a version of a state: from the time of its row on, up to that of the row before.
type Version[S any] struct {
	State S `json:"state"`
	// Deleted says that there was no state from then on.
	Deleted bool `json:"deleted,omitempty"`
}

// Versions describes a store of versions: a row for each key and time at which a version begins. The versions of a key are the newest first: that of a
// time is the first one of a [Span] from that time on.
func Versions[K, S any](h *store.VersionedHandle[S], key codec.Codec[K]) Store[K, time.Time, Version[S]] {
	s := Store[K, time.Time, Version[S]]{layout: state.MapLayout, key: key, fields: timeFields(state.VersionField, state.DecodeVersionField)}
	var handle *state.VersionedHandle[S]
	if handle, s.name, s.err = handleOf[*store.Versioned[S], *state.VersionedHandle[S]](h); s.err == nil {
		states := valueOf[time.Time](state.VersionCodecOf(handle), s.name)
		s.decode = func(at time.Time, value []byte) (Version[S], error) {
			encoded, kept, err := state.CutVersion(value)
			if err != nil || !kept {
				return Version[S]{Deleted: true}, err
			}
			v, err := states(at, encoded)
			return Version[S]{State: v}, err
		}
	}
	return s.checked()
}

// Rows describes the table that Topology.Table makes of a topic: a row for each key.
func Rows[K, V any](topic stream.Topic[K, V]) Store[K, None, V] {
	return NamedRows("table_"+topic.Name(), topic.KeyCodec(), topic.ValueCodec())
}

// NamedRows describes the table that stream.TableOf makes of a stream with keys of a codec. values is codec.For there.
func NamedRows[K, V any](name string, key codec.Codec[K], values codec.Codec[V]) Store[K, None, V] {
	s := Store[K, None, V]{name: name, key: key, fields: noFields(), decode: valueOf[None](values, name)}
	if values == nil {
		s.err = errors.New("the codec of values is nil")
	}
	return s.checked()
}

// Windows describes the open windows of an aggregation by time: a row for each key and start of a window, with the result so far. Windows that are closed are
// no part of the store. Sliding windows, windows by count, and aggregators that collect items cannot be read.
func Windows[K, V, A, R any](d window.Definition, a window.Aggregator[V, A, R], key codec.Codec[K]) Store[K, time.Time, window.Result[R]] {
	s := Store[K, time.Time, window.Result[R]]{
		name: d.StoreName(), layout: state.WindowLayout, key: key, fields: timeFields(state.TimeField, state.DecodeTimeField), err: d.Validate(),
	}
	settings := d.Settings()
	switch {
	case s.err != nil:
	case a == nil:
		s.err = errors.New("the aggregator is nil")
	case settings.Kind == windowing.Sliding || settings.Kind.ByCount():
		s.err = fmt.Errorf("%s windows are kept in parts that are no windows: only tumbling, hopping and session windows can be read", d)
	case ability.Of[window.Collector[V, A, R]](a, ability.Parts.Collects) != nil:
		s.err = errors.New("the aggregator collects items, which cannot be read")
	default:
		accumulators := valueOf[time.Time](a.Codec(), s.name)
		s.decode = func(start time.Time, value []byte) (r window.Result[R], err error) {
			r.StartMillis = start.UnixMilli()
			latest, _, encoded, err := state.CutWindow(r.StartMillis, value)
			if err != nil {
				return r, err
			}
			if r.EndMillis = r.StartMillis + settings.Size; settings.Kind == windowing.Session {
				r.EndMillis = latest
			}
			acc, err := accumulators(start, encoded)
			if err == nil {
				r.Value = a.Result(&acc)
			}
			return r, err
		}
	}
	return s.checked()
}

func timeFields(encode func(int64) []byte, decode func([]byte) (int64, error)) fields[time.Time] {
	return fields[time.Time]{
		encode: func(t time.Time) ([]byte, error) { return encode(t.UnixMilli()), nil },
		decode: func(b []byte) (time.Time, error) {
			millis, err := decode(b)
			return time.UnixMilli(millis).UTC(), err
		},
	}
}

func (s Store[K, F, V]) checked() Store[K, F, V] {
	if s.err == nil && s.key == nil {
		s.err = errors.New("the codec of keys is nil")
	}
	if s.err != nil {
		s.err = fmt.Errorf("%w: query of store %q: %w", weir.ErrConfiguration, s.name, s.err)
	}
	return s
}

// In returns the same store of one stream, for topologies in which several streams have stores of that name. The stream is named by
// its input topics, sorted and joined by "--", as in the names of tasks.
func (s Store[K, F, V]) In(stream string) Store[K, F, V] {
	s.name = stream + "/" + s.name
	return s
}

// Name returns the name of the store, behind that of the stream if In was called.
func (s Store[K, F, V]) Name() string { return s.name }

func (s Store[K, F, V]) encodeKey(key K) ([]byte, error) {
	encoded, err := s.key.Append(nil, &codec.Context{Topic: s.name, Part: codec.Key}, key)
	if err != nil {
		return nil, fmt.Errorf("%w: query of store %q: encode the key: %w", weir.ErrConfiguration, s.name, err)
	}
	return encoded, nil
}

func (s Store[K, F, V]) encodeField(field F) ([]byte, error) {
	encoded, err := s.fields.encode(field)
	if err != nil {
		return nil, fmt.Errorf("%w: query of store %q: encode the field: %w", weir.ErrConfiguration, s.name, err)
	}
	return encoded, nil
}

// Row is a row of a store.
type Row[K, F, V any] struct {
	Key   K
	Field F
	Value V
}

// row decodes a row.
func (s Store[K, F, V]) row(stored state.StoredRow) (r Row[K, F, V], err error) {
	key, field, err := s.layout.Split(stored.Key)
	if err != nil {
		return r, fmt.Errorf("query of store %q: row %s: %w", s.name, state.Quote(stored.Key), err)
	}
	if r.Key, err = s.key.Decode(&codec.Context{Topic: s.name, Part: codec.Key}, key); err != nil {
		return r, fmt.Errorf("query of store %q: decode key %s: %w", s.name, state.Quote(key), err)
	}
	if r.Field, err = s.fields.decode(field); err != nil {
		return r, fmt.Errorf("query of store %q: decode field %s: %w", s.name, state.Quote(field), err)
	}
	if r.Value, err = s.decode(r.Field, stored.Value); err != nil {
		return r, fmt.Errorf("query of store %q: decode the value of key %s: %w", s.name, state.Quote(key), err)
	}
	return r, nil
}

// Span is a range of keys or fields, in the order of their encoded bytes: strings as they sort, numbers of codec.For by value, except that
// negative ones come last. Its zero value is all of them.
type Span[T any] struct {
	// From is the first one, nil for no bound, and To the first one behind the range.
	From, To *T
	// Prefix is the beginning of the encoded bytes.
	Prefix string
}

// bounds returns the range of rows behind a beginning of their keys.
func bounds[T any](before []byte, span Span[T], encode func(T) ([]byte, error)) (from, to []byte, err error) {
	from = append(slices.Clone(before), span.Prefix...)
	to = state.Behind(from)
	for _, bound := range []struct {
		at   *T
		move func(row []byte)
	}{
		{span.From, func(row []byte) { from = slices.MaxFunc([][]byte{from, row}, bytes.Compare) }},
		{span.To, func(row []byte) { to = slices.MinFunc([][]byte{to, row}, bytes.Compare) }},
	} {
		if bound.at == nil {
			continue
		}
		encoded, err := encode(*bound.at)
		if err != nil {
			return nil, nil, err
		}
		bound.move(slices.Concat(before, encoded))
	}
	return from, to, nil
}

package query

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/state"
)

const (
	defaultLimit = 100
	maxLimit     = 10_000
)

// Options are those of one read. The zero value reads what the last checkpoint has left.
type Options struct {
	// AtLeast is a position that the state must reflect, as of records that the caller has written. A partition that is not so far is
	// weir.ErrBehind at once: no read waits.
	AtLeast Position
	// Partition is the partition that is read. The default is that of the key, by the hash of Kafka's clients, or all of them in turn. A store needs it for
	// keys if the topics of its stream differ in their numbers of partitions, or if records were written by another hash.
	Partition *int32
	// Limit is the greatest number of rows of a page. The default is 100, and 10,000 is the most. A page may have fewer, and none at all, and not be
	// the last: it is about 1 MiB large, and passes over 10,000 expired rows, at most.
	Limit int
	// After is the Next of the page before, of the same read.
	After string
}

// Position is how far topics were processed: the offset of the next record, by topic and partition. Topics have their names in the program, or
// those on the cluster. kafka.Producer.Position returns that of a topic that a producer has written.
type Position map[string]map[int32]int64

// Written notes that the position is behind a record.
func (p Position) Written(topic string, partition int32, offset int64) {
	if p[topic] == nil {
		p[topic] = map[int32]int64{}
	}
	p[topic][partition] = max(p[topic][partition], offset+1)
}

// in returns the position in one partition of each topic.
func (p Position) in(partition int32) map[string]int64 {
	if len(p) == 0 {
		return nil
	}
	at := map[string]int64{}
	for topic, partitions := range p {
		if next, ok := partitions[partition]; ok {
			at[topic] = next
		}
	}
	return at
}

// Place says where an answer comes from, and which records it reflects.
type Place struct {
	// Partition is that of the store.
	Partition int32
	// Position are the offsets of the next records of the input topics, in that partition. Topics have their names on the cluster.
	Position map[string]int64
}

// Answer is the value of one row, if there is one.
type Answer[V any] struct {
	Value V
	Found bool
	Place
}

// Page is a part of the rows of a read, of one partition.
type Page[K, F, V any] struct {
	Rows []Row[K, F, V]
	// Next is Options.After of the next page, empty on the last one.
	Next string
	Place
}

// Source answers queries: [Local], a [Service] or a [Client].
type Source interface {
	read(ctx context.Context, q request) (response, error)
}

// request asks for rows of one partition.
type request struct {
	store string
	// partition is -1 for that of the key.
	partition int32
	key       []byte
	rows      state.Rows
	atLeast   Position
}

// response has rows of one partition.
type response struct {
	Partition  int32             `json:"partition"`
	Partitions int32             `json:"partitions"`
	Rows       []state.StoredRow `json:"rows"`
	Next       []byte            `json:"next,omitempty"`
	Position   map[string]int64  `json:"position"`
}

// Get returns the value of a key.
func Get[K, V any](ctx context.Context, from Source, s Store[K, None, V], key K, o Options) (Answer[V], error) {
	return Field(ctx, from, s, key, None{}, o)
}

// Field returns the value of a field of a key: of a Map, the version from exactly a time on, or the window with exactly that start.
func Field[K, F, V any](ctx context.Context, from Source, s Store[K, F, V], key K, field F, o Options) (a Answer[V], err error) {
	if s.err != nil {
		return a, s.err
	}
	encoded, err := s.encodeKey(key)
	if err != nil {
		return a, err
	}
	encodedField, err := s.encodeField(field)
	if err != nil {
		return a, err
	}
	r, err := one(ctx, from, s.name, s.layout, encoded, encodedField, o)
	if err != nil {
		return a, err
	}
	a.Place = r.place()
	if len(r.Rows) == 0 {
		return a, nil
	}
	row, err := s.row(r.Rows[0])
	a.Value, a.Found = row.Value, err == nil
	return a, err
}

// Fields returns a page of the rows of one key: fields of a Map, versions, or open windows.
func Fields[K, F, V any](ctx context.Context, from Source, s Store[K, F, V], key K, span Span[F], o Options) (p Page[K, F, V], err error) {
	if s.err != nil {
		return p, s.err
	}
	encoded, err := s.encodeKey(key)
	if err != nil {
		return p, err
	}
	if s.layout == state.CellLayout {
		r, err := one(ctx, from, s.name, s.layout, encoded, nil, o)
		return s.page(r, "", err)
	}
	first, behind, err := bounds(s.layout.Row(encoded, nil), span, s.encodeField)
	if err != nil {
		return p, err
	}
	return s.page(many(ctx, from, request{store: s.name, partition: -1, key: encoded, rows: state.Rows{From: first, To: behind}}, o))
}

// Scan returns a page of the rows of all keys, one partition after the other. Only the keys of cells and tables have an order by which a span
// can choose them: those of other stores are all read.
func Scan[K, F, V any](ctx context.Context, from Source, s Store[K, F, V], span Span[K], o Options) (p Page[K, F, V], err error) {
	if s.err != nil {
		return p, s.err
	}
	first, behind := s.layout.All()
	if span != (Span[K]{}) {
		if s.layout != state.CellLayout {
			return p, fmt.Errorf("%w: query of store %q: only keys of cells and tables can be chosen by a span", weir.ErrConfiguration, s.name)
		}
		if first, behind, err = bounds(first, span, s.encodeKey); err != nil {
			return p, err
		}
	}
	return s.page(many(ctx, from, request{store: s.name, rows: state.Rows{From: first, To: behind}}, o))
}

// All yields the rows of a Scan page by page, up to an error. Each page is as of another moment.
func All[K, F, V any](ctx context.Context, from Source, s Store[K, F, V], span Span[K], o Options) iter.Seq2[Row[K, F, V], error] {
	return func(yield func(Row[K, F, V], error) bool) {
		for {
			p, err := Scan(ctx, from, s, span, o)
			if err != nil {
				yield(Row[K, F, V]{}, err)
				return
			}
			for _, row := range p.Rows {
				if !yield(row, nil) {
					return
				}
			}
			if o.After = p.Next; o.After == "" {
				return
			}
		}
	}
}

// page decodes an answer.
func (s Store[K, F, V]) page(r response, next string, failed error) (p Page[K, F, V], err error) {
	if failed != nil {
		return p, failed
	}
	p.Next, p.Place = next, r.place()
	for _, stored := range r.Rows {
		row, err := s.row(stored)
		if err != nil {
			return Page[K, F, V]{}, err
		}
		p.Rows = append(p.Rows, row)
	}
	return p, nil
}

func (r *response) place() Place { return Place{r.Partition, r.Position} }

// one reads one row.
func one(ctx context.Context, from Source, store string, layout state.Layout, key, field []byte, o Options) (response, error) {
	row := layout.Row(key, field)
	q := request{store: store, partition: -1, key: key, rows: state.Rows{From: row, To: append(row[:len(row):len(row)], 0), Most: 1}, atLeast: o.AtLeast}
	if o.Partition != nil {
		q.partition = *o.Partition
	}
	return from.read(ctx, q)
}

// many reads a page of rows, and returns the cursor of the next one.
func many(ctx context.Context, from Source, q request, o Options) (r response, next string, err error) {
	q.atLeast, q.rows.Most = o.AtLeast, o.Limit
	switch {
	case o.Limit < 0 || o.Limit > maxLimit:
		return r, "", fmt.Errorf("%w: query of store %q: the limit is %d, and must be from 1 to %d", weir.ErrConfiguration, q.store, o.Limit, maxLimit)
	case o.Limit == 0:
		q.rows.Most = defaultLimit
	}
	oneOnly := q.partition < 0 || o.Partition != nil
	if o.Partition != nil {
		q.partition = *o.Partition
	}
	if o.After != "" {
		partition, row, err := decodeCursor(o.After)
		if err != nil {
			return r, "", fmt.Errorf("%w: query of store %q: After is not the Next of a page", weir.ErrConfiguration, q.store)
		}
		q.partition = partition
		if len(row) > 0 {
			q.rows.From = row
		}
	}
	if r, err = from.read(ctx, q); err != nil {
		return r, "", err
	}
	switch {
	case r.Next != nil:
		next = encodeCursor(r.Partition, r.Next)
	case !oneOnly && r.Partition+1 < r.Partitions:
		next = encodeCursor(r.Partition+1, nil)
	}
	return r, next, nil
}

// A cursor is a partition, a uvarint, and the row where the next page begins, which is empty at the start of the partition.

func encodeCursor(partition int32, row []byte) string {
	return base64.RawURLEncoding.EncodeToString(append(binary.AppendUvarint(nil, uint64(partition)), row...))
}

func decodeCursor(cursor string) (partition int32, row []byte, err error) {
	data, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return 0, nil, err
	}
	number, n := binary.Uvarint(data)
	if n <= 0 || number > 1<<30 {
		return 0, nil, errors.New("no partition")
	}
	return int32(number), data[n:], nil
}

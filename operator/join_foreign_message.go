package operator

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/murmur2"
	"github.com/weirstreams/weir/internal/raw"
)

// ForeignKeySubscription is the message of the left side of a foreign-key join to the right, by encoded foreign key.
type ForeignKeySubscription struct {
	// Key is the encoded key of the left row.
	Key []byte
	// Version grows with each change of the foreign key of that row.
	Version uint64
	// Partition is where the answers go: that of the left row.
	Partition int32
	// Subscribed is false if the subscription is taken away.
	Subscribed bool
}

// ForeignKeyAnswer is the message of the right side of a foreign-key join to the left, by key of the left row.
type ForeignKeyAnswer struct {
	// ForeignKey is the encoded key of the right row.
	ForeignKey []byte
	// Version is that of the subscription.
	Version uint64
	// Subscribed says whether the right side has a subscription now.
	Subscribed bool
	// Row is the encoded right row, or nil if there is none.
	Row []byte
}

// ForeignKeyTopic is where a foreign-key join writes subscriptions, or answers.
type ForeignKeyTopic struct {
	env        *Env
	node       int
	name       string
	output     Output
	partitions int32
	buffer     []byte
	record     raw.Record
}

// NewForeignKeyTopic returns the writer to output, the topic of that name.
func NewForeignKeyTopic(env *Env, node int, name string, output Output) *ForeignKeyTopic {
	return &ForeignKeyTopic{env: env, node: node, name: name, output: output, partitions: output.Partitions()}
}

// Name returns the name of the topic.
func (t *ForeignKeyTopic) Name() string { return t.name }

func (t *ForeignKeyTopic) subscribe(foreign []byte, millis int64, s *ForeignKeySubscription) error {
	t.env.Enter(t.node)
	t.buffer = s.append(t.buffer[:0])
	t.record = raw.Record{Key: foreign, Value: t.buffer, Millis: millis}
	return t.output.Append(murmur2.Partition(foreign, t.partitions), &t.record)
}

func (t *ForeignKeyTopic) answer(key []byte, partition int32, millis int64, a *ForeignKeyAnswer) error {
	t.env.Enter(t.node)
	if partition >= t.partitions {
		return fmt.Errorf("partition %d of topic %q, which has %d", partition, t.name, t.partitions)
	}
	t.buffer = a.append(t.buffer[:0])
	t.record = raw.Record{Key: key, Value: t.buffer, Millis: millis}
	return t.output.Append(partition, &t.record)
}

// ForeignKeySubscriptions returns the codec of subscriptions.
func ForeignKeySubscriptions() codec.Codec[ForeignKeySubscription] { return foreignSubscriptionCodec{} }

// ForeignKeyAnswers returns the codec of answers.
func ForeignKeyAnswers() codec.Codec[ForeignKeyAnswer] { return foreignAnswerCodec{} }

const (
	foreignSubscribed byte = 1 << iota
	foreignMatched
	foreignPending
	foreignShown
)

// foreignSubscriptionCodec writes flags, version, partition and key.
type foreignSubscriptionCodec struct{}

func (foreignSubscriptionCodec) Append(dst []byte, _ *codec.Context, s ForeignKeySubscription) ([]byte, error) {
	return s.append(dst), nil
}

func (s *ForeignKeySubscription) append(dst []byte) []byte {
	var flags byte
	if s.Subscribed {
		flags |= foreignSubscribed
	}
	dst = append(dst, flags)
	dst = binary.AppendUvarint(dst, s.Version)
	dst = binary.AppendUvarint(dst, uint64(s.Partition))
	return append(dst, s.Key...)
}

func (foreignSubscriptionCodec) Decode(_ *codec.Context, data []byte) (s ForeignKeySubscription, err error) {
	r := foreignReader{data: data}
	s.Subscribed = r.flags()&foreignSubscribed != 0
	s.Version, s.Partition = r.uvarint(), r.partition()
	s.Key = append([]byte{}, r.data...)
	return s, r.err
}

// foreignAnswerCodec writes flags, version, the foreign key with its length, and the row.
type foreignAnswerCodec struct{}

func (foreignAnswerCodec) Append(dst []byte, _ *codec.Context, a ForeignKeyAnswer) ([]byte, error) {
	return a.append(dst), nil
}

func (a *ForeignKeyAnswer) append(dst []byte) []byte {
	var flags byte
	if a.Subscribed {
		flags |= foreignSubscribed
	}
	if a.Row != nil {
		flags |= foreignMatched
	}
	dst = append(dst, flags)
	dst = binary.AppendUvarint(dst, a.Version)
	dst = binary.AppendUvarint(dst, uint64(len(a.ForeignKey)))
	dst = append(dst, a.ForeignKey...)
	return append(dst, a.Row...)
}

func (foreignAnswerCodec) Decode(_ *codec.Context, data []byte) (a ForeignKeyAnswer, err error) {
	r := foreignReader{data: data}
	flags := r.flags()
	a.Subscribed = flags&foreignSubscribed != 0
	a.Version = r.uvarint()
	a.ForeignKey = append([]byte{}, r.bytes()...)
	if flags&foreignMatched != 0 {
		a.Row = append([]byte{}, r.data...)
	}
	return a, r.err
}

// foreignMatchCodec writes flags, version, the foreign key with its length, the right row with its length, and the left row.
type foreignMatchCodec[V, R any] struct {
	left  codec.Codec[V]
	right codec.Codec[R]
}

func (c foreignMatchCodec[V, R]) Append(dst []byte, ctx *codec.Context, m foreignMatch[V, R]) (_ []byte, err error) {
	var flags byte
	if m.pending {
		flags |= foreignPending
	}
	if m.matched {
		flags |= foreignMatched
	}
	if m.shown {
		flags |= foreignShown
	}
	dst = append(dst, flags)
	dst = binary.AppendUvarint(dst, m.version)
	dst = binary.AppendUvarint(dst, uint64(len(m.key)))
	dst = append(dst, m.key...)
	if m.matched {
		begin := len(dst)
		if dst, err = c.right.Append(dst, ctx, m.row); err != nil {
			return dst, err
		}
		dst = insertLength(dst, begin)
	}
	if m.shown {
		return c.left.Append(dst, ctx, m.left)
	}
	return dst, nil
}

// insertLength puts the length of a row that was appended from begin on in front of it. The row is written once: the length goes behind, and
// changes places with it.
func insertLength(dst []byte, begin int) []byte {
	var length [binary.MaxVarintLen64]byte
	size := len(dst) - begin
	n := binary.PutUvarint(length[:], uint64(size))
	dst = append(dst, length[:n]...)
	copy(dst[begin+n:], dst[begin:begin+size])
	copy(dst[begin:], length[:n])
	return dst
}

func (c foreignMatchCodec[V, R]) Decode(ctx *codec.Context, data []byte) (m foreignMatch[V, R], err error) {
	r := foreignReader{data: data}
	flags := r.flags()
	m.pending, m.matched, m.shown = flags&foreignPending != 0, flags&foreignMatched != 0, flags&foreignShown != 0
	m.version = r.uvarint()
	m.key = append([]byte{}, r.bytes()...)
	var row []byte
	if m.matched {
		row = r.bytes()
	}
	if r.err != nil {
		return m, r.err
	}
	if m.matched {
		if m.row, err = c.right.Decode(ctx, row); err != nil {
			return m, err
		}
	}
	if m.shown {
		m.left, err = c.left.Decode(ctx, r.data)
	}
	return m, err
}

var errForeign = errors.New("message or state of a foreign-key join is cut off")

// foreignReader takes data apart. After an error everything is zero.
type foreignReader struct {
	data []byte
	err  error
}

func (r *foreignReader) fail() {
	r.data, r.err = nil, errForeign
}

func (r *foreignReader) flags() (flags byte) {
	if len(r.data) == 0 {
		r.fail()
		return 0
	}
	flags, r.data = r.data[0], r.data[1:]
	return flags
}

func (r *foreignReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.data)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.data = r.data[n:]
	return v
}

func (r *foreignReader) partition() int32 {
	v := r.uvarint()
	if v > math.MaxInt32 {
		r.fail()
		return 0
	}
	return int32(v)
}

func (r *foreignReader) bytes() (b []byte) {
	n := r.uvarint()
	if n > uint64(len(r.data)) {
		r.fail()
		return nil
	}
	b, r.data = r.data[:n], r.data[n:]
	return b
}

package operator

import (
	"encoding/binary"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/state"
)

// ForeignKeyRight is the right side of a foreign-key join: it knows which keys of the left table subscribe to a foreign key,
// answers each subscription with the row of that key, and tells all subscribers when the row changes. Changes and
// Subscriptions return the receivers of the changes of the right table and of the subscriptions.
type ForeignKeyRight[F, R any] struct {
	Env  *Env
	Node int
	// Right is the right table.
	Right View[F, R]
	// Answers is the topic of the answers.
	Answers *ForeignKeyTopic

	key           codec.Codec[F]
	keyContext    codec.Context
	keys          keyEncoder[F]
	row           codec.Codec[R]
	rowContext    codec.Context
	subscriptions *state.Map[[]byte, foreignSubscriber]

	right  R
	buffer []byte
}

// foreignSubscriber is a subscription that the right side keeps.
type foreignSubscriber struct {
	version   uint64
	partition int32
}

// Open opens the store of the subscriptions in the task of env. subscriptions is the name of their topic.
func (j *ForeignKeyRight[F, R]) Open(name, subscriptions string, key codec.Codec[F], row codec.Codec[R]) (err error) {
	subscribers := state.NewMap[[]byte, foreignSubscriber](name).WithCodecs(codec.Bytes(), foreignSubscriberCodec{})
	j.subscriptions, err = openStore(j.Env, name, showKeys(key, name), subscribers.Open)
	j.key, j.keyContext = key, codec.Context{Topic: subscriptions, Part: codec.Key}
	j.keys = newKeyEncoder(key, subscriptions)
	j.row, j.rowContext = row, codec.Context{Topic: j.Answers.name, Part: codec.Value}
	return err
}

// Changes returns the receiver of the changes of the right table.
func (j *ForeignKeyRight[F, R]) Changes() Receiver[F, Change[R]] {
	return (*foreignKeyRightChanges[F, R])(j)
}

// Subscriptions returns the receiver of the subscriptions, by encoded foreign key.
func (j *ForeignKeyRight[F, R]) Subscriptions() Receiver[[]byte, ForeignKeySubscription] {
	return (*foreignKeySubscriptions[F, R])(j)
}

type (
	foreignKeyRightChanges[F, R any]  ForeignKeyRight[F, R]
	foreignKeySubscriptions[F, R any] ForeignKeyRight[F, R]
)

// Receive implements [Receiver].
func (c *foreignKeyRightChanges[F, R]) Receive(r *weir.Record[F, Change[R]]) error {
	j := (*ForeignKeyRight[F, R])(c)
	j.Env.Enter(j.Node)
	foreign, ok, err := j.keys.encode(r.Key, false)
	if err != nil || !ok {
		return err
	}
	answer := ForeignKeyAnswer{ForeignKey: foreign, Subscribed: true}
	if answer.Row, err = j.encode(r.Value.New); err != nil {
		return err
	}
	j.subscriptions.Place(foreign)
	for key, s := range j.subscriptions.All() {
		answer.Version = s.version
		if err := j.answer(key, s.partition, r.Millis, &answer); err != nil {
			return err
		}
	}
	return j.err()
}

// Receive implements [Receiver]. A subscription of a lesser version than the one that is kept changes nothing.
func (c *foreignKeySubscriptions[F, R]) Receive(r *weir.Record[[]byte, ForeignKeySubscription]) error {
	j := (*ForeignKeyRight[F, R])(c)
	j.Env.Enter(j.Node)
	s := &r.Value
	answer := ForeignKeyAnswer{ForeignKey: r.Key, Version: s.Version, Subscribed: s.Subscribed}
	j.subscriptions.Place(r.Key)
	kept, ok := j.subscriptions.Get(s.Key)
	switch {
	case ok && kept.version > s.Version:
		answer.Version, answer.Subscribed = kept.version, true
	case s.Subscribed:
		j.subscriptions.Set(s.Key, foreignSubscriber{s.Version, s.Partition})
	case ok:
		j.subscriptions.Delete(s.Key)
	}
	if err := j.err(); err != nil {
		return err
	}
	if answer.Subscribed {
		key, err := j.key.Decode(&j.keyContext, r.Key)
		if err != nil {
			return &weir.CodecError{Part: codec.Key.String(), Err: err}
		}
		var row *R
		if j.right, ok, err = j.Right.Row(key, Latest); err != nil {
			return err
		} else if ok {
			row = &j.right
		}
		if answer.Row, err = j.encode(row); err != nil {
			return err
		}
	}
	return j.answer(s.Key, s.Partition, r.Millis, &answer)
}

// encode encodes a row, valid until the next call. That of no row is nil.
func (j *ForeignKeyRight[F, R]) encode(row *R) ([]byte, error) {
	if row == nil {
		return nil, nil
	}
	var err error
	if j.buffer, err = j.row.Append(j.buffer[:0], &j.rowContext, *row); err != nil {
		return nil, &weir.CodecError{Part: codec.Value.String(), Encoding: true, Err: err}
	}
	return nonNil(j.buffer), nil
}

func (j *ForeignKeyRight[F, R]) answer(key []byte, partition int32, millis int64, a *ForeignKeyAnswer) error {
	err := j.Answers.answer(key, partition, millis, a)
	j.Env.Enter(j.Node)
	return err
}

func (j *ForeignKeyRight[F, R]) err() error {
	if err := j.subscriptions.Err(); err != nil {
		return Fatal(err)
	}
	return nil
}

// foreignSubscriberCodec writes version and partition.
type foreignSubscriberCodec struct{}

func (foreignSubscriberCodec) Append(dst []byte, _ *codec.Context, s foreignSubscriber) ([]byte, error) {
	return binary.AppendUvarint(binary.AppendUvarint(dst, s.version), uint64(s.partition)), nil
}

func (foreignSubscriberCodec) Decode(_ *codec.Context, data []byte) (s foreignSubscriber, err error) {
	r := foreignReader{data: data}
	s.version, s.partition = r.uvarint(), r.partition()
	return s, r.err
}

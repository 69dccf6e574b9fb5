package wire

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/broker"
)

// The client has no request for the end of a leader epoch (OffsetForLeaderEpoch, KIP-279 and KIP-320). It is sent here, on a
// connection that the client has opened and logged in to, and that nothing else uses meanwhile.

const (
	// EpochEndsKey and EpochEndsVersion are those of the request. Kafka knows the version from 2.3 on.
	EpochEndsKey     = 23
	EpochEndsVersion = 3

	epochEndsCorrelation = 1 << 30
	maxEpochEnds         = 16 << 20 // bytes of a response
)

// EpochQuery asks a leader for the end of a leader epoch in its log. Current is the leader's own epoch as it is known here, so that it
// answers only if it is the leader still.
type EpochQuery struct{ Current, Epoch int32 }

// EpochEnd is the answer: the offset behind the last record of the epoch, or of the last epoch before it. Epoch and Offset are
// negative if the leader knows none. Code is the error that stands in its place.
type EpochEnd struct {
	Epoch  int32
	Offset int64
	Code   sarama.KError
}

// EpochEnds sends queries and returns the answers. After an error the connection is of no more use. It must not be called while a request
// of the client is on its way.
func (t *Tap) EpochEnds(clientID string, queries map[broker.TopicPartition]EpochQuery) (map[broker.TopicPartition]EpochEnd, error) {
	if t.timeout > 0 {
		if err := t.SetDeadline(time.Now().Add(t.timeout)); err != nil {
			return nil, err
		}
		defer t.SetDeadline(time.Time{}) //nolint:errcheck // the client sets one for each request
	}
	if _, err := t.Conn.Write(encodeEpochQueries(clientID, queries)); err != nil {
		return nil, err
	}
	var size [4]byte
	if _, err := io.ReadFull(t.in, size[:]); err != nil {
		return nil, err
	}
	n := int32(binary.BigEndian.Uint32(size[:]))
	if n < 4 || n > maxEpochEnds {
		return nil, fmt.Errorf("a response of %d bytes to a request for the ends of leader epochs", n)
	}
	response := make([]byte, n)
	if _, err := io.ReadFull(t.in, response); err != nil {
		return nil, err
	}
	return decodeEpochEnds(response)
}

// encodeEpochQueries returns a request: a header of version 1, and a body without flexible fields.
func encodeEpochQueries(clientID string, queries map[broker.TopicPartition]EpochQuery) []byte {
	topics := map[string][]int32{}
	for tp := range queries {
		topics[tp.Topic] = append(topics[tp.Topic], tp.Partition)
	}
	b := binary.BigEndian
	out := make([]byte, 4, 64+24*len(queries)) // its size
	text := func(s string) { out = append(b.AppendUint16(out, uint16(len(s))), s...) }
	number := func(n int32) { out = b.AppendUint32(out, uint32(n)) }
	out = b.AppendUint16(out, EpochEndsKey)
	out = b.AppendUint16(out, EpochEndsVersion)
	number(epochEndsCorrelation)
	text(clientID)
	number(-1) // a consumer
	number(int32(len(topics)))
	for topic, partitions := range topics {
		text(topic)
		number(int32(len(partitions)))
		for _, p := range partitions {
			query := queries[broker.TopicPartition{Topic: topic, Partition: p}]
			number(p)
			number(query.Current)
			number(query.Epoch)
		}
	}
	b.PutUint32(out, uint32(len(out)-4))
	return out
}

// decodeEpochEnds reads a response behind its size.
func decodeEpochEnds(in []byte) (map[broker.TopicPartition]EpochEnd, error) {
	short := false
	take := func(n int) []byte {
		if n < 0 || n > len(in) {
			short, in, n = true, make([]byte, 8), min(max(n, 0), 8)
		}
		taken := in[:n]
		in = in[n:]
		return taken
	}
	b := binary.BigEndian
	short16 := func() int16 { return int16(b.Uint16(take(2))) }
	number := func() int32 { return int32(b.Uint32(take(4))) }
	if correlation := number(); correlation != epochEndsCorrelation && !short {
		return nil, fmt.Errorf("a response to request %d to a request for the ends of leader epochs", correlation)
	}
	number() // throttling
	ends := map[broker.TopicPartition]EpochEnd{}
	for topics := number(); topics > 0 && !short; topics-- {
		topic := string(take(int(short16())))
		for partitions := number(); partitions > 0 && !short; partitions-- {
			code, p, epoch := short16(), number(), number()
			ends[broker.TopicPartition{Topic: topic, Partition: p}] = EpochEnd{epoch, int64(b.Uint64(take(8))), sarama.KError(code)}
		}
	}
	if short {
		return nil, fmt.Errorf("the response to a request for the ends of leader epochs: %w", io.ErrUnexpectedEOF)
	}
	return ends, nil
}

package wire

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstreams/weir/internal/broker"
)

// randomResponse makes a response to a fetch of a version.
func randomResponse(random *rand.Rand, version int16) *kmsg.FetchResponse {
	r := &kmsg.FetchResponse{Version: version, ThrottleMillis: 7, SessionID: 3}
	for i := range random.IntN(4) {
		topic := kmsg.FetchResponseTopic{Topic: string(bytes.Repeat([]byte{byte('a' + i)}, 1+random.IntN(200)))}
		for p := range random.IntN(4) {
			part := kmsg.NewFetchResponseTopicPartition()
			part.Partition, part.HighWatermark, part.LastStableOffset = int32(p), 100, 90
			if random.IntN(2) == 0 {
				part.CurrentLeader.LeaderID, part.CurrentLeader.LeaderEpoch = 4, 5 // a tagged field
			}
			for range random.IntN(3) {
				part.AbortedTransactions = append(part.AbortedTransactions,
					kmsg.FetchResponseTopicPartitionAbortedTransaction{ProducerID: 1, FirstOffset: 2})
			}
			if part.RecordBatches = []byte{}; random.IntN(4) > 0 {
				part.RecordBatches = randomBytes(random, 3000)
			}
			topic.Partitions = append(topic.Partitions, part)
		}
		r.Topics = append(r.Topics, topic)
	}
	return r
}

func TestATapTakesTheRecordsOutOfResponsesOfEveryVersion(t *testing.T) {
	for version := int16(0); version <= 12; version++ {
		for seed := range uint64(50) {
			random := rand.New(rand.NewPCG(seed, uint64(version)))
			response := randomResponse(random, version)
			body := response.AppendTo(nil)
			if version >= 12 {
				body = append([]byte{1, 9, 2, 'x', 'y'}, body...) // tags in the header, which nobody knows
			}
			want := make(map[broker.TopicPartition]string)
			for i, topic := range response.Topics {
				for j, p := range topic.Partitions {
					if len(p.RecordBatches) > 0 {
						want[broker.TopicPartition{Topic: topic.Topic, Partition: p.Partition}] = string(p.RecordBatches)
					}
					response.Topics[i].Partitions[j].RecordBatches = []byte{}
				}
			}
			s := splitter{in: iotest.OneByteReader(bytes.NewReader(body)), left: len(body), version: version, sets: make(RecordSets)}
			if s.response(); s.err != nil || s.left != 0 {
				t.Fatalf("version %d, seed %d: %v, %d bytes left", version, seed, s.err, s.left)
			}
			got := make(map[broker.TopicPartition]string)
			for tp, set := range s.sets {
				got[tp] = string(set)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("version %d, seed %d: %s", version, seed, diff)
			}
			rest := response.AppendTo(nil)
			if version >= 12 {
				rest = append([]byte{1, 9, 2, 'x', 'y'}, rest...)
			}
			if !bytes.Equal(rest, s.out) {
				t.Fatalf("version %d, seed %d: the client sees %x, want %x", version, seed, s.out, rest)
			}
		}
	}
}

// Bytes from anywhere never make the tap panic or read into what follows the response.
func FuzzTap(f *testing.F) {
	for version := int16(0); version <= 12; version++ {
		body := randomResponse(rand.New(rand.NewPCG(1, uint64(version))), version).AppendTo(nil)
		if version >= 12 {
			body = append([]byte{0}, body...)
		}
		f.Add(body, version)
	}
	f.Fuzz(func(t *testing.T, body []byte, version int16) {
		in := bytes.NewReader(append(bytes.Clone(body), "the next response"...))
		s := splitter{in: in, left: len(body), version: version, sets: make(RecordSets)}
		s.response()
		if rest, _ := io.ReadAll(in); len(rest) < len("the next response") {
			t.Errorf("read %d bytes too many", len("the next response")-len(rest))
		}
		if s.err == nil && s.left > 0 {
			t.Errorf("%d bytes were not read", s.left)
		}
		total := len(s.out)
		for _, set := range s.sets {
			total += len(set)
		}
		if total > len(body)+4*len(s.sets) {
			t.Errorf("%d bytes were made of %d", total, len(body))
		}
		s.sets.Free()
	})
}

func TestATapLeavesOtherResponsesAlone(t *testing.T) {
	response := kmsg.NewPtrFetchResponse()
	response.Version = 12
	part := kmsg.NewFetchResponseTopicPartition()
	part.RecordBatches = []byte("records")
	response.Topics = []kmsg.FetchResponseTopic{{Topic: "t", Partitions: []kmsg.FetchResponseTopicPartition{part}}}
	frame := func(correlation uint32) []byte {
		body := append(binary.BigEndian.AppendUint32(nil, correlation), 0)
		body = response.AppendTo(body)
		return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
	}
	request := func(key uint16) []byte {
		b := binary.BigEndian.AppendUint32(nil, 8)
		b = binary.BigEndian.AppendUint16(b, key)
		b = binary.BigEndian.AppendUint16(b, 12)
		return binary.BigEndian.AppendUint32(b, 77)
	}
	for _, test := range []struct {
		name    string
		armed   bool
		request []byte
		answer  []byte
		tapped  bool
	}{
		{"a fetch", true, request(1), frame(77), true},
		{"a fetch of a client that expects records", false, request(1), frame(77), false},
		{"another request", true, request(36), frame(77), false},
		{"another correlation id", true, request(1), frame(78), false},
		{"a token of an authentication", true, []byte{0, 0, 0, 9, 0, 1, 0, 12, 0, 0, 0, 77}, frame(77), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			conn := &fakeConn{Reader: bytes.NewReader(test.answer)}
			tap := NewTap(conn, 0)
			if test.armed {
				tap.Arm()
			}
			if _, err := tap.Write(test.request); err != nil || !bytes.Equal(conn.written, test.request) {
				t.Fatalf("wrote %x, %v", conn.written, err)
			}
			got, err := io.ReadAll(iotest.OneByteReader(tap))
			if err != nil {
				t.Fatal(err)
			}
			sets := tap.Disarm()
			if test.tapped {
				if len(sets) != 1 || int(binary.BigEndian.Uint32(got)) != len(got)-4 {
					t.Errorf("%d sets were taken out, and %d bytes of a size of %d are left", len(sets), len(got), binary.BigEndian.Uint32(got))
				}
			} else if len(sets) > 0 || !bytes.Equal(got, test.answer) {
				t.Errorf("%d sets were taken out", len(sets))
			}
		})
	}
}

// fakeConn takes a request and gives an answer.
type fakeConn struct {
	net.Conn // nil
	io.Reader
	written []byte
}

func (c *fakeConn) Read(p []byte) (int, error) { return c.Reader.Read(p) }

func (c *fakeConn) Write(p []byte) (int, error) {
	c.written = append(c.written, p...)
	return len(p), nil
}

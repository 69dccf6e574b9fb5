package wire

import (
	"encoding/binary"
	"errors"
	"io"

	"github.com/weirstreams/weir/internal/broker"
)

// splitter reads the response to a fetch and parts the records from everything else. It knows of the format no more than
// it takes to find them; see "Fetch API" in the Kafka protocol guide.
type splitter struct {
	in      io.Reader
	left    int // bytes of the response that were not read yet
	version int16

	out  []byte     // what was read, without records
	sets RecordSets // the records
	err  error      // the first one, after which nothing is read
}

var errMalformedResponse = errors.New("malformed")

// response reads all that follows the correlation id.
func (s *splitter) response() {
	if s.flexible() {
		s.tags() // of the header
	}
	if s.version >= 1 {
		s.next(4) // throttle time
	}
	if s.version >= 7 {
		s.next(2 + 4) // error code, session id
	}
	for range s.length() {
		topic := s.string()
		for range s.length() {
			s.partition(topic)
			if s.err != nil {
				return
			}
		}
		s.tags()
		if s.err != nil {
			return
		}
	}
	// Tags, and fields of newer versions.
	s.next(s.left)
}

func (s *splitter) partition(topic string) {
	id := s.int32()
	s.next(2 + 8) // error code, high watermark
	if s.version >= 4 {
		s.next(8) // last stable offset
		if s.version >= 5 {
			s.next(8) // log start offset
		}
		for range s.length() { // aborted transactions
			s.next(8 + 8) // producer id, first offset
			if s.tags(); s.err != nil {
				return
			}
		}
	}
	if s.version >= 11 {
		s.next(4) // preferred read replica
	}
	s.records(broker.TopicPartition{Topic: topic, Partition: id})
	s.tags()
}

// records reads records into memory of their own and leaves an empty set in their place.
func (s *splitter) records(tp broker.TopicPartition) {
	place := len(s.out)
	size := s.length()
	if !s.has(size) {
		return
	}
	if s.flexible() {
		s.out = append(s.out[:place], 1) // length + 1
	} else {
		s.out = append(s.out[:place], 0, 0, 0, 0)
	}
	if size == 0 {
		return
	}
	set := newBuffer(size)
	if _, s.err = io.ReadFull(s.in, set); s.err != nil {
		freeBuffer(set)
		return
	}
	s.left -= size
	if old, ok := s.sets[tp]; ok { // which no broker does
		freeBuffer(old)
	}
	s.sets[tp] = set
}

func (s *splitter) flexible() bool { return s.version >= 12 }

// length reads the length of an array or of a set of records. It returns 0 for null.
func (s *splitter) length() int {
	if s.flexible() {
		return max(s.uvarint()-1, 0)
	}
	return max(int(s.int32()), 0)
}

func (s *splitter) string() string {
	if s.flexible() {
		return string(s.next(s.length()))
	}
	if b := s.next(2); len(b) == 2 {
		return string(s.next(int(binary.BigEndian.Uint16(b))))
	}
	return ""
}

// tags reads the tagged fields that end a structure.
func (s *splitter) tags() {
	if !s.flexible() {
		return
	}
	for range s.uvarint() {
		s.uvarint() // which field
		if s.next(s.uvarint()); s.err != nil {
			return
		}
	}
}

func (s *splitter) int32() int32 {
	if b := s.next(4); len(b) == 4 {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

// uvarint reads a length. No valid length is larger than the number of remaining bytes.
func (s *splitter) uvarint() int {
	value := uint64(0)
	for shift := 0; shift < 35; shift += 7 {
		b := s.next(1)
		if len(b) == 0 {
			return 0
		}
		value |= uint64(b[0]&0x7f) << shift
		if b[0] < 0x80 {
			return int(value)
		}
	}
	s.err = errMalformedResponse
	return 0
}

// has notes an error if fewer than n bytes are left.
func (s *splitter) has(n int) bool {
	if s.err == nil && n > s.left {
		s.err = errMalformedResponse
	}
	return s.err == nil
}

// next reads n bytes that are not records. They are valid until the next call.
func (s *splitter) next(n int) []byte {
	if n == 0 || !s.has(n) {
		return nil
	}
	begin := len(s.out)
	s.out = append(s.out, make([]byte, n)...)
	b := s.out[begin:]
	if _, s.err = io.ReadFull(s.in, b); s.err != nil {
		return nil
	}
	s.left -= n
	return b
}

package wire

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"net"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/broker"
)

// Tap is a connection on which the client's fetches bring no records. It takes the records out of each response to a
// fetch, as the bytes that they are, and the client sees partitions without any. The client would decode every record
// into structures of its own, which takes several times the time of the rest of a fetch. The client still does
// everything else: versions, authentication and its renewal, throttling, error codes, deadlines.
//
// It relies on two things that the client does: a request is one Write, and one request at a time is on its way. A
// request that does not look like a fetch is left alone together with its response.
//
// The client writes requests on the goroutine that calls Fetch, and reads responses on one of its own. The fields need no
// lock, because it hands each request, and the response to it, from one to the other.
type Tap struct {
	net.Conn // where TLS, if any, has been taken off
	in       *bufio.Reader
	timeout  time.Duration // for the body of a response, as for its header; 0 is none

	armed       bool // the next fetch is to be tapped
	version     int16
	correlation int32
	awaited     bool // the next response is that of a fetch

	frame []byte     // of the last tapped response, without records
	out   []byte     // what of frame the client has not read yet
	sets  RecordSets // of the last tapped response
}

// RecordSets are the records of a response. They are read by a Decoder, or given back by Free.
type RecordSets map[broker.TopicPartition][]byte

// Free gives the memory of all sets back.
func (s RecordSets) Free() {
	for _, set := range s {
		freeBuffer(set)
	}
}

// NewTap puts a tap on a connection. timeout bounds the reading of a response behind its header; 0 is none.
func NewTap(conn net.Conn, timeout time.Duration) *Tap {
	return &Tap{Conn: conn, in: bufio.NewReaderSize(conn, 32<<10), timeout: timeout}
}

// Arm makes the next fetch a tapped one.
func (t *Tap) Arm() {
	t.armed, t.awaited = true, false
	t.sets = nil
}

// Disarm returns the record sets since Arm. It belongs to the caller.
func (t *Tap) Disarm() RecordSets {
	sets := t.sets
	t.armed, t.awaited, t.sets = false, false, nil
	return sets
}

const fetchKey = 1 // of the protocol

// Write looks at requests: size int32, api key int16, api version int16, correlation id int32.
func (t *Tap) Write(p []byte) (int, error) {
	if t.armed && len(p) >= 12 && int(binary.BigEndian.Uint32(p)) == len(p)-4 && binary.BigEndian.Uint16(p[4:]) == fetchKey {
		t.version = int16(binary.BigEndian.Uint16(p[6:]))
		t.correlation = int32(binary.BigEndian.Uint32(p[8:]))
		t.awaited = true
	}
	return t.Conn.Write(p)
}

// Read hands out the next response without its records.
func (t *Tap) Read(p []byte) (int, error) {
	if t.awaited && len(t.out) == 0 {
		t.awaited = false
		if err := t.take(); err != nil {
			return 0, err
		}
	}
	if len(t.out) == 0 {
		return t.in.Read(p)
	}
	n := copy(p, t.out)
	t.out = t.out[n:]
	return n, nil
}

// take reads a response and takes the records out of it.
func (t *Tap) take() error {
	s := splitter{in: t.in, left: 8, out: t.frame[:0], version: t.version, sets: make(RecordSets)}
	size, correlation := s.int32(), s.int32()
	if s.err != nil {
		return s.err
	}
	if size >= 4 && size <= sarama.MaxResponseSize && correlation == t.correlation { // else the client says what is wrong
		if t.timeout > 0 {
			if err := t.SetReadDeadline(time.Now().Add(t.timeout)); err != nil {
				return err
			}
		}
		s.left = int(size) - 4
		if s.response(); s.err != nil {
			s.sets.Free()
			return fmt.Errorf("response to a fetch of version %d: %w", t.version, s.err)
		}
		binary.BigEndian.PutUint32(s.out, uint32(len(s.out)-4))
	}
	t.frame, t.out, t.sets = s.out, s.out, s.sets
	return nil
}

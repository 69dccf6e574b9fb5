package wire

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/broker"
)

// Messages of formats 0 and 1, from before Kafka 0.11, may still lie in a log that was begun then. A message stands for
// itself, or its value holds others and is compressed as a whole. See "Message Set" in the documentation of Kafka's
// implementation before 0.11.

// message checks a message and unpacks the messages in it.
func (d *Decoder) message(result *Decoded, b []byte) (section, error) {
	m, err := parseMessage(b)
	if err != nil {
		return section{}, err
	}
	s := section{legacy: true, records: b, batchHeader: batchHeader{attributes: m.attributes, count: 1, leaderEpoch: broker.NoLeaderEpoch}, next: m.offset + 1}
	if m.codec() == sarama.CompressionNone {
		return s, nil
	}
	if s.records, err = d.unpacked(result, m.codec(), m.value); err != nil {
		return section{}, err
	}
	s.maxTimestamp = m.millis
	s.count = 0
	last := int64(0)
	for rest := s.records; len(rest) > 0; s.count++ {
		var inner []byte
		if inner, rest, err = cutMessage(rest); err != nil {
			return section{}, err
		}
		last = int64(binary.BigEndian.Uint64(inner))
	}
	if m.magic > 0 {
		s.first = m.offset - last // offsets of messages in a message count from 0 on, and its own is the last one's
	}
	return s, nil
}

// messages appends messages from an offset on.
func (d *Decoder) messages(to *Memory, s *section, from int64) error {
	packed := s.codec() != sarama.CompressionNone
	for rest := s.records; len(rest) > 0; {
		var b []byte
		var err error
		if b, rest, err = cutMessage(rest); err != nil {
			return err
		}
		m, err := parseMessage(b)
		if err != nil {
			return err
		}
		if packed {
			m.offset += s.first
			if s.has(logAppendTime) {
				m.millis = s.maxTimestamp
			}
			if m.codec() != sarama.CompressionNone {
				return fmt.Errorf("%w: a message in a message is compressed as well", ErrCorrupt)
			}
		}
		if m.offset >= from {
			to.Records = append(to.Records, broker.Record{Key: m.key, Value: m.value, Millis: m.millis, Offset: m.offset, LeaderEpoch: -1})
		}
	}
	return nil
}

// oldMessage is a message of format 0 or 1.
type oldMessage struct {
	offset     int64
	magic      byte
	attributes int16
	millis     int64 // -1 in format 0, which has none
	key, value []byte
}

func (m *oldMessage) codec() sarama.CompressionCodec {
	return sarama.CompressionCodec(m.attributes & codecMask)
}

// cutMessage parts the first message from the rest.
func cutMessage(b []byte) (message, rest []byte, err error) {
	if len(b) >= afterSize {
		if size := afterSize + int64(int32(binary.BigEndian.Uint32(b[sizeAt:]))); size > magicAt && size <= int64(len(b)) {
			return b[:size:size], b[size:], nil
		}
	}
	return nil, nil, errMessage
}

var errMessage = fmt.Errorf("%w: a message does not fit its size", ErrCorrupt)

// parseMessage reads a whole message: offset, size, checksum, magic, attributes, timestamp (format 1), key, value.
func parseMessage(b []byte) (m oldMessage, err error) {
	if len(b) < 18 {
		return m, errMessage
	}
	if got, want := crc32.ChecksumIEEE(b[magicAt:]), binary.BigEndian.Uint32(b[afterSize:]); got != want {
		return m, fmt.Errorf("%w: the checksum of a message is %08x and should be %08x", ErrCorrupt, got, want)
	}
	m = oldMessage{offset: int64(binary.BigEndian.Uint64(b)), magic: b[magicAt], attributes: int16(b[17]), millis: -1}
	rest := b[18:]
	switch {
	case m.magic == 1 && len(rest) >= 8:
		m.millis, rest = int64(binary.BigEndian.Uint64(rest)), rest[8:]
	case m.magic != 0:
		return m, errMessage
	}
	for _, field := range []*[]byte{&m.key, &m.value} {
		if len(rest) < 4 {
			return m, errMessage
		}
		n := int(int32(binary.BigEndian.Uint32(rest)))
		rest = rest[4:]
		if n > len(rest) {
			return m, errMessage
		}
		if n >= 0 {
			*field, rest = rest[:n:n], rest[n:]
		}
	}
	if len(rest) > 0 {
		return m, errMessage
	}
	return m, nil
}

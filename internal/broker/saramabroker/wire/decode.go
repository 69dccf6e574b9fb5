package wire

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
)

// Decoded is the part of a response about a partition.
type Decoded struct {
	Memory
	Next, End int64 // position afterwards, last stable offset
	// LeaderEpoch is that of the last batch, or broker.NoLeaderEpoch.
	LeaderEpoch int32
	// Partial says that not even one batch fit. Needed is the size of the batch, as far as that is known.
	Partial bool
	Needed  int

	Err   error
	Final bool // err ends the partition
}

// Decoder turns sets of records, as brokers store and send them, into records. Keys, values and header values stay where
// they are. It is used by one goroutine at a time.
type Decoder struct {
	unpacker
	interned map[string]string // header keys
	aborted  map[int64]bool    // producers whose open transaction was aborted
	sections []section
}

// NewDecoder returns a decoder for one goroutine.
func NewDecoder() *Decoder { return &Decoder{interned: make(map[string]string)} }

// section is a batch with records that count.
type section struct {
	batchHeader
	records []byte // unpacked; nil if none counts
	next    int64  // offset after the batch
	legacy  bool   // a message of an older format, with what is packed in it
}

// Block reads the records from an offset on, committed ones only. The set becomes part of the result's memory. See
// "Reading transactional messages" in KIP-98.
//
// A corrupt batch is an error only if it is the first one: batches before it count first.
func (d *Decoder) Block(block *sarama.FetchResponseBlock, set []byte, from int64) Decoded {
	result := Decoded{Next: from, End: block.LastStableOffset, LeaderEpoch: broker.NoLeaderEpoch}
	if result.End < 0 {
		result.End = block.HighWaterMarkOffset
	}
	if len(set) == 0 {
		return result
	}
	result.buffers = append(result.buffers, set)
	err := d.split(&result, set, block.AbortedTransactions)
	if decodeErr := d.decode(&result, from); decodeErr != nil {
		err = decodeErr
	}
	if err != nil && len(result.Records) == 0 && result.Next == from {
		result.Err = fmt.Errorf("the batch with offset %d is %w", from, err)
		result.Final = !errors.Is(err, ErrCorrupt)
	}
	if len(result.Records) == 0 {
		result.Free()
	}
	clear(d.sections)
	d.sections = d.sections[:0]
	return result
}

// split finds the batches with records that count, and unpacks them. Batches before an error count.
func (d *Decoder) split(result *Decoded, set []byte, aborted []*sarama.AbortedTransaction) error {
	clear(d.aborted)
	slices.SortFunc(aborted, func(a, b *sarama.AbortedTransaction) int { return cmp.Compare(a.FirstOffset, b.FirstOffset) })
	whole := set
	for len(set) > 0 {
		size := afterSize
		if len(set) >= afterSize {
			size += int(int32(binary.BigEndian.Uint32(set[sizeAt:])))
			if size <= magicAt {
				return fmt.Errorf("%w: it says that it has %d bytes", ErrCorrupt, size)
			}
		}
		if size > len(set) || len(set) <= magicAt {
			result.Partial = len(set) == len(whole)
			if result.Partial && len(set) >= afterSize {
				result.Needed = size
			}
			return nil
		}
		batch := set[:size:size]
		set = set[size:]
		switch magic := batch[magicAt]; {
		case magic < 2:
			s, err := d.message(result, batch)
			if err != nil {
				return err
			}
			d.sections = append(d.sections, s)
			continue
		case magic > 2:
			return fmt.Errorf("of message format %d, which is not known", magic)
		}
		h, err := parseBatch(batch)
		if err != nil {
			return err
		}
		for len(aborted) > 0 && aborted[0].FirstOffset <= h.last() {
			if d.aborted == nil {
				d.aborted = make(map[int64]bool)
			}
			d.aborted[aborted[0].ProducerID] = true
			aborted = aborted[1:]
		}
		s := section{batchHeader: h, next: h.last() + 1}
		switch {
		case h.has(control):
			if isAbort(batch[headerSize:]) { // control batches are not compressed
				delete(d.aborted, h.producerID)
			}
		case h.has(transactional) && d.aborted[h.producerID]:
		default:
			if s.records, err = d.unpacked(result, h.codec(), batch[headerSize:]); err != nil {
				return err
			}
			if int64(h.count)*minRecord > int64(len(s.records)) {
				return fmt.Errorf("%w: it says that it has %d records in %d bytes", ErrCorrupt, h.count, len(s.records))
			}
		}
		// Also those without records move the position: compaction leaves empty ones.
		d.sections = append(d.sections, s)
	}
	return nil
}

// unpacked returns the bytes after decompression. If they were compressed, the result gets the memory.
func (d *Decoder) unpacked(result *Decoded, codec sarama.CompressionCodec, packed []byte) ([]byte, error) {
	if codec == sarama.CompressionNone {
		return packed, nil
	}
	unpacked, err := d.unpack(codec, packed)
	if err != nil {
		return nil, fmt.Errorf("%w: unpack: %w", ErrCorrupt, err)
	}
	result.buffers = append(result.buffers, unpacked)
	return unpacked, nil
}

// decode reads the records of the batches that were found, and moves the position past each.
func (d *Decoder) decode(result *Decoded, from int64) error {
	count := 0
	for i := range d.sections {
		if d.sections[i].records != nil {
			count += int(d.sections[i].count)
		}
	}
	if count > 0 {
		result.Records = newRecords(count)
	}
	for i := range d.sections {
		s := &d.sections[i]
		before := len(result.Records)
		var err error
		switch {
		case s.records == nil:
		case s.legacy:
			err = d.messages(&result.Memory, s, from)
		default:
			err = d.records(&result.Memory, s, from)
		}
		if err != nil {
			clear(result.Records[before:])
			result.Records = result.Records[:before]
			return err
		}
		result.Next, result.LeaderEpoch = max(result.Next, s.next), s.leaderEpoch
	}
	return nil
}

// records appends the records of a batch from an offset on. A batch may begin before it.
func (d *Decoder) records(m *Memory, s *section, from int64) error {
	base, scale := s.baseTimestamp, int64(1)
	if s.has(logAppendTime) {
		base, scale = s.maxTimestamp, 0
	}
	r := recordReader{b: s.records}
	for range s.count {
		size := r.varint()
		end := int64(r.i) + size
		r.skip(1) // attributes, of which there are none
		millis := base + scale*r.varint()
		offset := s.first + r.varint()
		key, value := r.bytes(), r.bytes()
		headers := r.varint()
		if !r.ok() || headers < 0 || headers > int64(len(r.b)-r.i) {
			return errRecord
		}
		n := len(m.Records)
		if offset < from {
			for range headers {
				r.bytes()
				r.bytes()
			}
		} else {
			// There is room: it was made for all batches. Every field is set, the memory is clear.
			m.Records = m.Records[:n+1]
			record := &m.Records[n]
			record.Key, record.Value, record.Millis, record.Offset = key, value, millis, offset
			record.LeaderEpoch = s.leaderEpoch
			if headers > 0 {
				record.Headers = d.headers(m, &r, int(headers))
			}
		}
		if int64(r.i) != end { // also if it is negative
			return errRecord
		}
	}
	if r.i != len(r.b) {
		return fmt.Errorf("%w: %d bytes follow the last record", ErrCorrupt, len(r.b)-r.i)
	}
	return nil
}

var errRecord = fmt.Errorf("%w: a record does not fit its size", ErrCorrupt)

// headers reads the headers of a record.
func (d *Decoder) headers(m *Memory, r *recordReader, n int) []weir.Header {
	if begin := len(m.headers); cap(m.headers)-begin < n {
		// Records go on to refer to the memory so far.
		m.headers = newHeaders(max(n, 2*cap(m.headers), 256))
	}
	begin := len(m.headers)
	for range n {
		key := r.bytes()
		m.headers = append(m.headers, weir.Header{Key: d.intern(key), Value: r.bytes()})
	}
	return m.headers[begin:len(m.headers):len(m.headers)]
}

// intern returns one string for equal keys. As a rule there are few different ones.
func (d *Decoder) intern(key []byte) string {
	if s, ok := d.interned[string(key)]; ok {
		return s
	}
	if len(d.interned) >= 1024 {
		clear(d.interned)
	}
	s := string(key)
	d.interned[s] = s
	return s
}

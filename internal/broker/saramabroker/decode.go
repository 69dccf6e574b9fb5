package saramabroker

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/codec"
)

// decoded is the part of a response about a partition.
type decoded struct {
	memory
	next, end int64 // position afterwards, last stable offset
	// partial says that not even one batch fit. needed is the size of the batch, as far as that is known.
	partial bool
	needed  int

	err   error
	final bool // err ends the partition
}

// decoder turns sets of records, as brokers store and send them, into records. Keys, values and header values stay where
// they are. It is used by one goroutine at a time.
type decoder struct {
	unpacker
	interned map[string]string // header keys
	aborted  map[int64]bool    // producers whose open transaction was aborted
	sections []section
}

// section is a batch with records that count.
type section struct {
	batchHeader
	records []byte // unpacked; nil if none counts
	next    int64  // offset after the batch
	legacy  bool   // a message of an older format, with what is packed in it
}

// block reads the records from an offset on, committed ones only. The set becomes part of the result's memory. See
// "Reading transactional messages" in KIP-98.
//
// A corrupt batch is an error only if it is the first one: batches before it count first.
func (d *decoder) block(block *sarama.FetchResponseBlock, set []byte, from int64) decoded {
	result := decoded{next: from, end: block.LastStableOffset}
	if result.end < 0 {
		result.end = block.HighWaterMarkOffset
	}
	if len(set) == 0 {
		return result
	}
	result.buffers = append(result.buffers, set)
	err := d.split(&result, set, block.AbortedTransactions)
	if decodeErr := d.decode(&result, from); decodeErr != nil {
		err = decodeErr
	}
	if err != nil && len(result.records) == 0 && result.next == from {
		result.err = fmt.Errorf("the batch with offset %d is %w", from, err)
		result.final = !errors.Is(err, errCorrupt)
	}
	if len(result.records) == 0 {
		result.free()
	}
	clear(d.sections)
	d.sections = d.sections[:0]
	return result
}

// split finds the batches with records that count, and unpacks them. Batches before an error count.
func (d *decoder) split(result *decoded, set []byte, aborted []*sarama.AbortedTransaction) error {
	clear(d.aborted)
	slices.SortFunc(aborted, func(a, b *sarama.AbortedTransaction) int { return cmp.Compare(a.FirstOffset, b.FirstOffset) })
	whole := set
	for len(set) > 0 {
		size := afterSize
		if len(set) >= afterSize {
			size += int(int32(binary.BigEndian.Uint32(set[sizeAt:])))
			if size <= magicAt {
				return fmt.Errorf("%w: it says that it has %d bytes", errCorrupt, size)
			}
		}
		if size > len(set) || len(set) <= magicAt {
			result.partial = len(set) == len(whole)
			if result.partial && len(set) >= afterSize {
				result.needed = size
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
				return fmt.Errorf("%w: it says that it has %d records in %d bytes", errCorrupt, h.count, len(s.records))
			}
		}
		// Also those without records move the position: compaction leaves empty ones.
		d.sections = append(d.sections, s)
	}
	return nil
}

// unpacked returns the bytes after decompression. If they were compressed, the result gets the memory.
func (d *decoder) unpacked(result *decoded, codec sarama.CompressionCodec, packed []byte) ([]byte, error) {
	if codec == sarama.CompressionNone {
		return packed, nil
	}
	unpacked, err := d.unpack(codec, packed)
	if err != nil {
		return nil, fmt.Errorf("%w: unpack: %w", errCorrupt, err)
	}
	result.buffers = append(result.buffers, unpacked)
	return unpacked, nil
}

// decode reads the records of the batches that were found, and moves the position past each.
func (d *decoder) decode(result *decoded, from int64) error {
	count := 0
	for i := range d.sections {
		if d.sections[i].records != nil {
			count += int(d.sections[i].count)
		}
	}
	if count > 0 {
		result.records = newRecords(count)
	}
	for i := range d.sections {
		s := &d.sections[i]
		before := len(result.records)
		var err error
		switch {
		case s.records == nil:
		case s.legacy:
			err = d.messages(&result.memory, s, from)
		default:
			err = d.records(&result.memory, s, from)
		}
		if err != nil {
			clear(result.records[before:])
			result.records = result.records[:before]
			return err
		}
		result.next = max(result.next, s.next)
	}
	return nil
}

// records appends the records of a batch from an offset on. A batch may begin before it.
func (d *decoder) records(m *memory, s *section, from int64) error {
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
		n := len(m.records)
		if offset < from {
			for range headers {
				r.bytes()
				r.bytes()
			}
		} else {
			// There is room: it was made for all batches. Every field is set, the memory is clear.
			m.records = m.records[:n+1]
			record := &m.records[n]
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
		return fmt.Errorf("%w: %d bytes follow the last record", errCorrupt, len(r.b)-r.i)
	}
	return nil
}

var errRecord = fmt.Errorf("%w: a record does not fit its size", errCorrupt)

// headers reads the headers of a record.
func (d *decoder) headers(m *memory, r *recordReader, n int) []codec.Header {
	if begin := len(m.headers); cap(m.headers)-begin < n {
		// Records go on to refer to the memory so far.
		m.headers = newHeaders(max(n, 2*cap(m.headers), 256))
	}
	begin := len(m.headers)
	for range n {
		key := r.bytes()
		m.headers = append(m.headers, codec.Header{Key: d.intern(key), Value: r.bytes()})
	}
	return m.headers[begin:len(m.headers):len(m.headers)]
}

// intern returns one string for equal keys. As a rule there are few different ones.
func (d *decoder) intern(key []byte) string {
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

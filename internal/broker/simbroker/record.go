package simbroker

import (
	"bytes"
	"slices"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
)

// copyRecords copies records deeply. All bytes of the copy lie in memory, so that they can be overwritten together.
// The slices have no spare capacity: an append to one does not run into the next.
func copyRecords(records []broker.Record) (copied []broker.Record, memory []byte) {
	size, headers := 0, 0
	for i := range records {
		headers += len(records[i].Headers)
		size += len(records[i].Key) + len(records[i].Value)
		for _, header := range records[i].Headers {
			size += len(header.Value)
		}
	}
	memory = make([]byte, 0, size)
	clone := func(data []byte) []byte {
		if data == nil {
			return nil
		}
		from := len(memory)
		memory = append(memory, data...)
		return memory[from:len(memory):len(memory)]
	}
	copied = slices.Clone(records)
	allHeaders := make([]weir.Header, 0, headers)
	for i := range copied {
		record := &copied[i]
		record.Key, record.Value = clone(record.Key), clone(record.Value)
		from := len(allHeaders)
		for _, header := range record.Headers {
			allHeaders = append(allHeaders, weir.Header{Key: header.Key, Value: clone(header.Value)})
		}
		record.Headers = nil
		if from < len(allHeaders) {
			record.Headers = allHeaders[from:len(allHeaders):len(allHeaders)]
		}
	}
	return copied, memory
}

// poison fills released memory.
const poison = 0xDB

// poisonRecords overwrites records that were given back, so that a later read of them is found.
func poisonRecords(records []broker.Record, memory []byte) {
	for i := range memory {
		memory[i] = poison
	}
	for i := range records {
		records[i].Offset, records[i].Millis = -1, -1
		for h := range records[i].Headers {
			records[i].Headers[h].Key = "\xDB\xDB\xDB\xDB"
		}
	}
}

// recordBytes is the size of a record as far as limits are concerned: that of its key, value and headers.
func recordBytes(record *broker.Record) int {
	size := len(record.Key) + len(record.Value)
	for _, header := range record.Headers {
		size += len(header.Key) + len(header.Value)
	}
	return size
}

// sameRecords compares everything but offsets, which a sender does not set.
func sameRecords(a, b []broker.Record) bool {
	sameBytes := func(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }
	return slices.EqualFunc(a, b, func(a, b broker.Record) bool {
		return a.Millis == b.Millis && sameBytes(a.Key, b.Key) && sameBytes(a.Value, b.Value) &&
			slices.EqualFunc(a.Headers, b.Headers, func(a, b weir.Header) bool {
				return a.Key == b.Key && sameBytes(a.Value, b.Value)
			})
	})
}

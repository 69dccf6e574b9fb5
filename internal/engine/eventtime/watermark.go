package eventtime

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/changelog"
	"github.com/weirstreams/weir/operator"
)

// A watermark record says, in a partition of a repartition topic, that the task that has written it writes no record older than
// a time any more. It follows the earlier records of the task, because it goes through the same producer, and belongs to the same
// transaction. Readers take it out of the input before anything else sees it.
//
// Its key and the name of its only header are watermarkKey and watermarkHeader. Its value is
//
//	version     1 byte   2
//	partition   uvarint  of the upstream task
//	tasks       uvarint  the number of upstream tasks, as the writer knows it
//	owner       16 bytes the epoch in which the upstream task was assigned
//	time        varint   milliseconds, or operator.NoWatermark: every record may come
//	pace        varint   milliseconds, see pace.go, or operator.NoWatermark: it is not known
type watermark struct {
	partition, tasks int32
	owner            changelog.Epoch
	millis, pace     int64
}

const (
	watermarkHeader  = "__watermark__"
	watermarkKey     = "\x00\xff__weir_watermark__\xff\x00"
	watermarkVersion = 2
	// NoWatermark says that records of any time may come.
	NoWatermark = operator.NoWatermark
	// maxUpstreamTasks bounds the memory that a damaged record makes a reader allocate.
	maxUpstreamTasks = 1 << 20
)

// IsWatermark reports whether a record of a repartition topic is one that the engine has written for itself.
func IsWatermark(r *broker.Record) bool {
	return len(r.Headers) == 1 && r.Headers[0].Key == watermarkHeader && string(r.Key) == watermarkKey
}

// record returns the record, with the time of now in milliseconds.
func (m *watermark) record(now int64) *broker.Record {
	value := []byte{watermarkVersion}
	value = binary.AppendUvarint(value, uint64(m.partition))
	value = binary.AppendUvarint(value, uint64(m.tasks))
	value = append(value, m.owner[:]...)
	value = binary.AppendVarint(value, m.millis)
	value = binary.AppendVarint(value, m.pace)
	return &broker.Record{Key: []byte(watermarkKey), Value: value, Headers: []weir.Header{{Key: watermarkHeader, Value: []byte{}}}, Millis: now}
}

var errWatermark = errors.New("watermark record is damaged, or of another version of the library")

// readWatermark reads the value of a record.
func readWatermark(value []byte) (m watermark, err error) {
	if len(value) == 0 || value[0] != watermarkVersion {
		return m, errWatermark
	}
	value = value[1:]
	for _, field := range []*int32{&m.partition, &m.tasks} {
		x, n := binary.Uvarint(value)
		if n <= 0 || x > maxUpstreamTasks {
			return m, errWatermark
		}
		*field, value = int32(x), value[n:]
	}
	if len(value) < len(m.owner) {
		return m, errWatermark
	}
	value = value[copy(m.owner[:], value):]
	for _, field := range []*int64{&m.millis, &m.pace} {
		x, n := binary.Varint(value)
		if n <= 0 {
			return m, errWatermark
		}
		*field, value = x, value[n:]
	}
	if len(value) > 0 || m.partition >= maxUpstreamTasks {
		return m, errWatermark
	}
	return m, nil
}

// Promised returns the content of a watermark record: the partition of the task that has written it, and the time before which it
// writes no record any more, or NoWatermark.
func Promised(r *broker.Record) (partition int32, millis int64, err error) {
	m, err := readWatermark(r.Value)
	return m.partition, m.millis, err
}

// TakeOut takes the watermark records out of a batch of the input, and reports whether they lower the pace. timed says whether something
// of the task waits for time.
func (u *Upstream) TakeOut(b *broker.Batch, timed bool) (lower bool, err error) {
	before := u.pace()
	kept := -1 // none was taken out so far
	for i := range b.Records {
		r := &b.Records[i]
		if len(r.Headers) != 1 || !IsWatermark(r) {
			if kept >= 0 {
				b.Records[kept] = *r
				kept++
			}
			continue
		}
		if kept < 0 {
			kept = i
		}
		if !timed {
			continue // nothing of the task waits for time
		}
		m, err := readWatermark(r.Value)
		if err != nil {
			return false, fmt.Errorf("%s at offset %d: %w", b.TopicPartition, r.Offset, err)
		}
		u.Pending = append(u.Pending, pendingWatermark{r.Offset, m})
	}
	if kept >= 0 {
		b.Records = b.Records[:kept]
	}
	return u.pace() < before, nil
}

// least returns the lesser of two times that may be missing.
func least(a, b int64) int64 {
	if a == NoWatermark || b == NoWatermark {
		return NoWatermark
	}
	return min(a, b)
}

// Absent is the watermark of an input that a task does not have: nothing comes of it.
const Absent = math.MaxInt64

package wire

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/IBM/sarama"
	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
)

// decodeSet decodes a copy of a set, in memory as a tap would use.
func (d *Decoder) decodeSet(w *setWriter, from int64) Decoded {
	set := newBuffer(len(w.set))
	copy(set, w.set)
	block := &sarama.FetchResponseBlock{LastStableOffset: w.offset, HighWaterMarkOffset: w.offset}
	for _, a := range w.aborted {
		block.AbortedTransactions = append(block.AbortedTransactions,
			&sarama.AbortedTransaction{ProducerID: a.ProducerID, FirstOffset: a.FirstOffset})
	}
	return d.Block(block, set, from)
}

// copyOf returns records that own their bytes.
func copyOf(records []broker.Record) []broker.Record {
	var out []broker.Record
	for _, r := range records {
		r.Key, r.Value = bytes.Clone(r.Key), bytes.Clone(r.Value)
		var headers []weir.Header
		for _, h := range r.Headers {
			headers = append(headers, weir.Header{Key: h.Key, Value: bytes.Clone(h.Value)})
		}
		r.Headers = headers
		out = append(out, r)
	}
	return out
}

var franzDecompressor = kgo.DefaultDecompressor()

// franz decodes a set with another client.
func franz(w *setWriter, from int64) []broker.Record {
	options := kgo.ProcessFetchPartitionOpts{Offset: from, IsolationLevel: kgo.ReadCommitted(), Topic: "t"}
	part := kmsg.FetchResponseTopicPartition{RecordBatches: w.set, AbortedTransactions: w.aborted}
	fetched, _ := kgo.ProcessFetchPartition(options, &part, franzDecompressor, nil)
	var out []broker.Record
	for _, r := range fetched.Records {
		record := broker.Record{Key: r.Key, Value: r.Value, Millis: r.Timestamp.UnixMilli(), Offset: r.Offset, LeaderEpoch: r.LeaderEpoch}
		if r.Attrs.TimestampType() == -1 { // format 0 has no timestamps
			record.Millis = -1
		}
		for _, h := range r.Headers {
			record.Headers = append(record.Headers, weir.Header{Key: h.Key, Value: h.Value})
		}
		out = append(out, record)
	}
	return out
}

func TestTheDecoderReadsWhatAnotherClientReads(t *testing.T) {
	d := NewDecoder()
	aborted, holes := 0, 0
	for seed := range uint64(500) {
		random := rand.New(rand.NewPCG(seed, 7))
		w := randomSet(random)
		first := w.ends[0] - int64(random.IntN(20)) // brokers begin with the batch of what is asked for
		got := d.decodeSet(w, first)
		if got.Err != nil || got.Partial {
			t.Fatalf("seed %d: partial %t, %v", seed, got.Partial, got.Err)
		}
		if got.Next != w.offset || got.End != w.offset {
			t.Fatalf("seed %d: position %d, end %d, want %d", seed, got.Next, got.End, w.offset)
		}
		want := franz(w, first)
		if ours := copyOf(got.Records); !reflect.DeepEqual(want, ours) {
			t.Fatalf("seed %d: theirs and ours: %s", seed, cmp.Diff(want, ours))
		}
		got.Free()
		aborted += len(w.aborted)
		holes += int(w.offset) - len(want)
	}
	if aborted == 0 || holes == 0 {
		t.Errorf("%d transactions were aborted and %d offsets are without a record", aborted, holes)
	}
}

func TestASetThatIsCutOffIsReadAsFarAsItGoes(t *testing.T) {
	d := NewDecoder()
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 8))
		w := randomSet(random)
		whole := w.set
		w.set = whole[:random.IntN(len(whole))]
		got := d.decodeSet(w, 0)
		if got.Err != nil {
			t.Fatalf("seed %d: %v", seed, got.Err)
		}
		if want := franz(w, 0); !reflect.DeepEqual(want, copyOf(got.Records)) {
			t.Fatalf("seed %d: theirs and ours: %s", seed, cmp.Diff(want, copyOf(got.Records)))
		}
		if got.Partial != (got.Next == 0) && len(w.set) > 0 {
			t.Fatalf("seed %d: partial is %t at position %d", seed, got.Partial, got.Next)
		}
		if got.Partial && got.Needed > 0 {
			w.set = whole[:got.Needed]
			if again := d.decodeSet(w, 0); again.Partial || again.Next == 0 {
				t.Fatalf("seed %d: %d bytes are too few", seed, got.Needed)
			}
		}
		got.Free()
	}
}

func TestACorruptBatchIsAnErrorWhenItIsItsTurn(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 9))
	for codec := range sarama.CompressionCodec(5) {
		w := &setWriter{}
		w.batch(random, 10, codec, 0, -1)
		size, next := len(w.set), w.offset
		w.batch(random, 10, codec, 0, -1)
		w.set[size+headerSize+3] ^= 1
		d := NewDecoder()
		got := d.decodeSet(w, 0)
		if got.Err != nil || got.Next != next || len(got.Records) != 10 {
			t.Errorf("codec %s: %d records, position %d, %v", codec, len(got.Records), got.Next, got.Err)
		}
		if got = d.decodeSet(w, next); got.Err == nil || got.Final || got.Next != next || got.Records != nil {
			t.Errorf("codec %s: %d records, position %d, %v", codec, len(got.Records), got.Next, got.Err)
		}
		// And if the checksum is that of what is wrong: whatever it says, it is not read as something else.
		w.set[size+headerSize+3] ^= 1
		w.set[len(w.set)-1] ^= 0x55
		w.set = append(fixChecksums(w.set[:size]), fixChecksums(w.set[size:])...)
		if got = d.decodeSet(w, next); got.Err == nil && got.Next == next {
			t.Errorf("codec %s: neither an error nor records", codec)
		}
	}
}

func TestMessagesThatWerePackedAreStampedWhenTheyWereAppended(t *testing.T) {
	// The broker stamps the message around them and leaves what is packed as it is.
	w := &setWriter{offset: 5}
	w.message(rand.New(rand.NewPCG(1, 11)), 1, 3, sarama.CompressionGZIP, true)
	got := NewDecoder().decodeSet(w, 0)
	for _, r := range got.Records {
		if r.Millis != baseMillis+2000 {
			t.Errorf("offset %d: %d, want %d", r.Offset, r.Millis, baseMillis+2000)
		}
	}
	if len(got.Records) != 3 || got.Err != nil {
		t.Errorf("got %d records, %v", len(got.Records), got.Err)
	}
}

// Bytes from anywhere never make the decoder panic, ask for much memory, or move the position back.
func FuzzDecoder(f *testing.F) {
	random := rand.New(rand.NewPCG(1, 10))
	for codec := range sarama.CompressionCodec(5) { // small ones, which are tried faster
		w := &setWriter{}
		w.batch(random, 3, codec, 0, -1)
		w.message(random, int8(codec%2), 2, codec%3, false)
		w.batch(random, 1, sarama.CompressionNone, transactional, 1)
		w.control(codec > 2, 1)
		f.Add(w.set, int64(codec), true)
	}
	d := NewDecoder()
	f.Fuzz(func(t *testing.T, set []byte, from int64, fix bool) {
		w := &setWriter{set: bytes.Clone(set)}
		if fix {
			fixChecksums(w.set)
		}
		got := d.decodeSet(w, from)
		if got.Next < from || got.Err != nil && len(got.Records) > 0 {
			t.Errorf("position %d, from %d, %d records, %v", got.Next, from, len(got.Records), got.Err)
		}
		for _, r := range got.Records {
			if r.Offset < from {
				t.Errorf("record at %d, from %d", r.Offset, from)
			}
		}
		got.Free()
	})
}

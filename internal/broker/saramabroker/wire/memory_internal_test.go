package wire

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/IBM/sarama"
)

func TestBatchesThatAreHeldShareNoMemory(t *testing.T) {
	// Keys and values lie in the bytes of the response, which are used again after Release and not before.
	d := NewDecoder()
	type held struct {
		Decoded
		want *setWriter
	}
	var batches []held
	random := rand.New(rand.NewPCG(1, 12))
	check := func(h held) {
		t.Helper()
		for i, r := range franz(h.want, 0) {
			if got := h.Records[i]; !bytes.Equal(got.Key, r.Key) || !bytes.Equal(got.Value, r.Value) || len(got.Headers) != len(r.Headers) {
				t.Fatalf("record %d changed while its batch was held", r.Offset)
			}
		}
	}
	for range 400 {
		w := &setWriter{}
		for codec := range sarama.CompressionCodec(1 + random.IntN(5)) {
			w.batch(random, 1+random.IntN(20), codec, 0, -1)
		}
		batches = append(batches, held{d.decodeSet(w, 0), w})
		if i := random.IntN(len(batches)); len(batches) > 5 {
			check(batches[i])
			batches[i].Free()
			batches = append(batches[:i], batches[i+1:]...)
		}
	}
	for _, h := range batches {
		check(h)
	}
}

func TestReleasedMemoryHoldsNothing(t *testing.T) {
	w := &setWriter{}
	w.batch(rand.New(rand.NewPCG(1, 13)), 50, sarama.CompressionZSTD, 0, -1)
	got := NewDecoder().decodeSet(w, 0)
	if n := got.Bytes(); n < len(w.set)+50*recordBytes {
		t.Errorf("50 records of %d packed bytes are said to take %d bytes", len(w.set), n)
	}
	records, headers := got.Records, got.headers
	got.Free()
	for _, r := range records {
		if r.Key != nil || r.Value != nil || r.Headers != nil {
			t.Fatal("a record keeps what it held")
		}
	}
	for _, h := range headers {
		if h.Key != "" || h.Value != nil {
			t.Fatal("a header keeps what it held")
		}
	}
	if got.Records != nil || got.buffers != nil || got.Bytes() != 0 {
		t.Error("memory that was given back is still referred to")
	}
}

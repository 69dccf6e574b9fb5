package websocket_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	cws "github.com/coder/websocket"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/source/websocket"
)

type record = weir.Record[string, []byte]

// BenchmarkSource reads messages of 100 bytes: by the source with a Decode that keeps the bytes, and by the bare client. One operation is one message.
func BenchmarkSource(b *testing.B) {
	message := []byte(strings.Repeat("x", 100))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := cws.Accept(w, r, nil)
		if err != nil {
			return
		}
		ctx := c.CloseRead(r.Context())
		for c.Write(ctx, cws.MessageText, message) == nil {
		}
		_ = c.CloseNow()
	}))
	defer s.Close()
	address := "ws" + strings.TrimPrefix(s.URL, "http")

	b.Run("source", func(b *testing.B) {
		from := websocket.New(address, websocket.Options[string, []byte]{
			Decode: func(m websocket.Message, into *source.Batch[string, []byte]) error {
				into.Records = append(into.Records, record{Value: m.Data})
				return nil
			},
		})
		if err := from.Connect(b.Context()); err != nil {
			b.Fatal(err)
		}
		r, err := from.Open(b.Context(), task(), source.Split{ID: "all"}, nil)
		if err != nil {
			b.Fatal(err)
		}
		batch := source.Batch[string, []byte]{}
		b.SetBytes(int64(len(message)))
		b.ReportAllocs()
		b.ResetTimer()
		for n := 0; n < b.N; n += len(batch.Records) {
			batch.Reset()
			if err := r.Read(b.Context(), &batch); err != nil {
				b.Fatal(err)
			}
		}
		b.StopTimer()
		if err := r.Close(); err != nil {
			b.Fatal(err)
		}
		if err := from.Close(b.Context()); err != nil {
			b.Fatal(err)
		}
	})
	b.Run("bare client", func(b *testing.B) {
		c, _, err := cws.Dial(b.Context(), address, nil)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(message)))
		b.ReportAllocs()
		b.ResetTimer()
		for range b.N {
			if _, _, err := c.Read(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		b.StopTimer()
		_ = c.CloseNow()
	})
}

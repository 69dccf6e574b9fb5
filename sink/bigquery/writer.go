package bigquery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"
	"unsafe"

	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector/web"
	"github.com/weirstreams/weir/internal/measure"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/sink"
)

const (
	// maxRow bounds a row, and requestBytes the rows of a request: BigQuery takes 10 MB.
	maxRow       = 9 << 20
	requestBytes = 4 << 20
)

// writer holds the rows of a task until its next checkpoint.
type writer[K, V any] struct {
	sink    *storageSink[K, V]
	now     func() time.Time
	measure measure.Measurer[row.Row]

	rows  []held
	bytes int64
	since time.Time
	// columns are those that the table needs for the rows. stale says that the table may have changed.
	columns *columns
	stale   bool
}

// held is a row that waits for a checkpoint. data is the row in the form of the columns.
type held struct {
	row    row.Row
	data   []byte
	origin weir.Origin
}

func newWriter[K, V any](s *storageSink[K, V], task sink.Task) *writer[K, V] {
	w := &writer[K, V]{sink: s, now: task.Now, measure: measure.Of[row.Row](), columns: s.seen()}
	if w.now == nil {
		w.now = time.Now
	}
	return w
}

// Add implements [sink.TwoPhaseWriter]: it finds out whether the row fits the table, and the rows before it.
func (w *writer[K, V]) Add(_ context.Context, r *weir.Record[K, V]) error {
	h := held{origin: *r.Origin}
	var err error
	if h.row, err = w.sink.rowOf(r); err != nil {
		return err
	}
	next, err := w.fit(w.columns, &h)
	if err != nil {
		return err
	}
	w.columns = next
	if len(w.rows) == 0 && w.sink.options.MaxAge > 0 {
		w.since = w.now()
	}
	w.rows = append(w.rows, h)
	w.bytes += int64(int(unsafe.Sizeof(h)) + w.measure.Bytes(&h.row) + len(h.data))
	return nil
}

// fit writes the data of a row, and returns the columns that the table needs for it too.
func (w *writer[K, V]) fit(c *columns, h *held) (*columns, error) {
	next, cells, err := c.fit(h.row, w.sink.options.Types, w.sink.options.FixedTable)
	if err != nil {
		return c, err
	}
	h.data = appendRow(nil, cells)
	if len(h.data) > maxRow {
		return c, fmt.Errorf("the row has %d bytes, and BigQuery takes %d", len(h.data), maxRow)
	}
	return next, nil
}

// Full implements [sink.TwoPhaseWriter].
func (w *writer[K, V]) Full() bool {
	o := &w.sink.options
	return w.bytes >= o.HoldBytes || len(w.rows) > 0 && o.MaxAge > 0 && w.now().Sub(w.since) >= o.MaxAge
}

// Discard implements [sink.TwoPhaseWriter].
func (w *writer[K, V]) Discard() {
	clear(w.rows)
	w.rows, w.bytes, w.columns = w.rows[:0], 0, w.sink.seen()
}

// Close implements [sink.TwoPhaseWriter].
func (w *writer[K, V]) Close() error {
	w.Discard()
	return nil
}

// Recover implements [sink.TwoPhaseWriter]. BigQuery removes write streams that are never committed.
func (w *writer[K, V]) Recover(context.Context, string, [][]byte) error { return nil }

// token names the work of a checkpoint. It is kept in the state of a task: its form must stay readable.
type token struct {
	Version int      `json:"version"`
	Table   string   `json:"table"`
	Streams []string `json:"streams"`
}

// Prepare implements [sink.TwoPhaseWriter]. An attempt that fails begins anew with another write stream, so that no row can be there twice.
func (w *writer[K, V]) Prepare(ctx context.Context, _ sink.Checkpoint) (prepared []byte, err error) {
	if len(w.rows) == 0 {
		return nil, nil
	}
	err = w.sink.attempt(ctx, "append rows", func(ctx context.Context) error {
		if w.stale || w.columns.added > 0 {
			c, err := w.sink.evolve(ctx, w.refit)
			if err != nil {
				return err
			}
			w.columns, w.stale = c, false
		}
		stream, err := w.write(ctx)
		if err != nil {
			return err
		}
		prepared, err = json.Marshal(token{1, w.sink.table.path(), []string{stream}})
		return err
	})
	if err == nil {
		w.Discard()
	}
	return prepared, err
}

// refit writes all rows anew for the columns of a table, which another task or program may have changed since they were added. Rows that do not fit any more are not held any longer.
func (w *writer[K, V]) refit(c *columns) (*columns, error) {
	refused := map[int]error{}
	for i := range w.rows {
		next, err := w.fit(c, &w.rows[i])
		if err != nil {
			refused[i] = err
			continue
		}
		c = next
	}
	return c, w.refuse(refused)
}

// refuse takes rows out, and returns their errors.
func (w *writer[K, V]) refuse(errs map[int]error) error {
	if len(errs) == 0 {
		return nil
	}
	var refused sink.RecordErrors
	kept := w.rows[:0:0]
	for i := range w.rows {
		if err := errs[i]; err != nil {
			refused = append(refused, sink.RecordError{Index: i, Origin: w.rows[i].origin, Err: err})
			continue
		}
		kept = append(kept, w.rows[i])
	}
	w.rows = kept
	return refused
}

// write appends all rows to a new write stream, and returns its name.
func (w *writer[K, V]) write(ctx context.Context) (string, error) {
	s := w.sink
	var stream *storagepb.WriteStream
	err := s.call(ctx, "bigquery.tables.updateData", func(ctx context.Context) (err error) {
		stream, err = s.client.CreateWriteStream(ctx, &storagepb.CreateWriteStreamRequest{
			Parent: s.table.path(), WriteStream: &storagepb.WriteStream{Type: storagepb.WriteStream_PENDING},
		})
		return err
	})
	if err != nil {
		return "", fmt.Errorf("make a write stream: %w", err)
	}
	if err := w.append(ctx, stream.GetName()); err != nil {
		return "", err
	}
	err = s.call(ctx, "bigquery.tables.updateData", func(ctx context.Context) error {
		answer, err := s.client.FinalizeWriteStream(ctx, &storagepb.FinalizeWriteStreamRequest{Name: stream.GetName()})
		if err == nil && answer.GetRowCount() != int64(len(w.rows)) {
			err = &web.Transient{Err: fmt.Errorf("the write stream has %d rows, and %d were appended", answer.GetRowCount(), len(w.rows))}
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("finalize a write stream: %w", err)
	}
	return stream.GetName(), nil
}

// append sends all rows, and waits for all answers.
func (w *writer[K, V]) append(ctx context.Context, stream string) error {
	timeout := w.sink.options.Timeout
	ctx, cancel := context.WithCancelCause(metadata.AppendToOutgoingContext(ctx, "x-goog-request-params", "write_stream="+url.QueryEscape(stream)))
	defer cancel(nil)
	watch := time.AfterFunc(timeout, func() { cancel(&web.Transient{Err: fmt.Errorf("no answer within %v (Options.Timeout)", timeout)}) })
	defer watch.Stop()
	err := func() error {
		calls, err := w.sink.client.AppendRows(ctx)
		if err != nil {
			return err
		}
		var firsts []int // of each request
		for first := 0; first < len(w.rows); {
			request := &storagepb.AppendRowsRequest{WriteStream: stream, Offset: wrapperspb.Int64(int64(first))}
			rows := &storagepb.AppendRowsRequest_ProtoData{Rows: &storagepb.ProtoRows{}}
			if first == 0 {
				rows.WriterSchema = &storagepb.ProtoSchema{ProtoDescriptor: w.columns.descriptor()}
			}
			firsts = append(firsts, first)
			for size := 0; first < len(w.rows) && (size == 0 || size+len(w.rows[first].data) <= requestBytes); first++ {
				rows.Rows.SerializedRows = append(rows.Rows.SerializedRows, w.rows[first].data)
				size += len(w.rows[first].data) + 1
			}
			request.Rows = &storagepb.AppendRowsRequest_ProtoRows{ProtoRows: rows}
			if err := calls.Send(request); err != nil && !errors.Is(err, io.EOF) { // io.EOF: Recv has the error
				return err
			}
			watch.Reset(timeout)
		}
		if err := calls.CloseSend(); err != nil {
			return err
		}
		for _, first := range firsts {
			answer, err := calls.Recv()
			if err != nil {
				return err
			}
			if err := w.judge(answer, first); err != nil {
				return err
			}
			watch.Reset(timeout)
		}
		return nil
	}()
	if err == nil {
		return nil
	}
	if refused, ok := errors.AsType[sink.RecordErrors](err); ok {
		return refused
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return fmt.Errorf("bigquery.tables.updateData: %w", judge(err))
}

// judge returns the error of the answer to a request with the rows from first on.
func (w *writer[K, V]) judge(answer *storagepb.AppendRowsResponse, first int) error {
	if rows := answer.GetRowErrors(); len(rows) > 0 {
		errs := map[int]error{}
		for _, e := range rows {
			i := first + int(e.GetIndex())
			if i < first || i >= len(w.rows) {
				return fmt.Errorf("BigQuery refuses row %d of a request that has no such row: %s", e.GetIndex(), e.GetMessage())
			}
			errs[i] = errors.Join(errs[i], fmt.Errorf("BigQuery refuses the row: %s", e.GetMessage()))
		}
		return w.refuse(errs)
	}
	said := status.FromProto(answer.GetError())
	if storageCode(said) == storagepb.StorageError_SCHEMA_MISMATCH_EXTRA_FIELDS {
		w.stale = true
		return &web.Transient{Err: fmt.Errorf("the Storage API does not know all columns of the table, or one was taken away: %w", said.Err())}
	}
	return said.Err()
}

// Commit implements [sink.TwoPhaseWriter].
func (w *writer[K, V]) Commit(ctx context.Context, prepared []byte) error {
	var t token
	if err := json.Unmarshal(prepared, &t); err != nil || t.Version != 1 {
		return fmt.Errorf("%s: a token of the state is not one of this sink: %.200q", w.sink, prepared)
	}
	if t.Table != w.sink.table.path() {
		return fmt.Errorf("%w: %s: the state has rows of the table %s that are not committed yet: let the sink of that table commit them first", weir.ErrConfiguration, w.sink, t.Table)
	}
	return w.sink.attempt(ctx, "commit rows", func(ctx context.Context) error {
		return w.sink.call(ctx, "bigquery.tables.updateData", func(ctx context.Context) error {
			answer, err := w.sink.client.BatchCommitWriteStreams(ctx, &storagepb.BatchCommitWriteStreamsRequest{Parent: t.Table, WriteStreams: t.Streams})
			if err != nil {
				return err
			}
			for _, e := range answer.GetStreamErrors() {
				if e.GetCode() != storagepb.StorageError_STREAM_ALREADY_COMMITTED {
					return fmt.Errorf("write stream %s: %v: %s", e.GetEntity(), e.GetCode(), e.GetErrorMessage())
				}
			}
			return nil
		})
	})
}

package bigquery

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	rest "google.golang.org/api/bigquery/v2"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector/web"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/sink"
)

// insertRows is how many rows a call of tabledata.insertAll has: BigQuery recommends 500 and takes 50,000.
const insertRows = 500

// insertSink writes by tabledata.insertAll.
type insertSink[K, V any] struct{ *target[K, V] }

// item is a row, with the ID by which BigQuery drops it when it comes again.
type item struct {
	row row.Row
	id  string
}

// Writer implements [sink.Sink].
func (s *insertSink[K, V]) Writer(_ context.Context, task sink.Task) (sink.Writer[K, V], error) {
	if s.seen() == nil {
		return nil, errors.New("sink bigquery: Writer is called before Connect")
	}
	o := &s.options
	return &inserter[K, V]{sink: s, Writer: sink.NewBatchWriter(s.write, sink.BatchOptions{
		MaxRecords: insertRows, MaxBytes: requestBytes, HoldRecords: 50 * insertRows, HoldBytes: o.HoldBytes, MaxAge: o.MaxAge, Now: task.Now,
	})}, nil
}

// inserter makes rows of records.
type inserter[K, V any] struct {
	sink *insertSink[K, V]
	sink.Writer[struct{}, item]
	// last is where the last record came from, and count how many records came from there before: a topology makes several of one.
	last  weir.Origin
	count int
}

// Add implements [sink.Writer].
func (w *inserter[K, V]) Add(ctx context.Context, r *weir.Record[K, V]) error {
	made, err := w.sink.rowOf(r)
	if err == nil {
		_, _, err = w.sink.seen().fit(made, w.sink.options.Types, w.sink.options.FixedTable)
	}
	if err != nil {
		return err
	}
	if *r.Origin == w.last {
		w.count++
	} else {
		w.last, w.count = *r.Origin, 0
	}
	id := r.Origin.Topic + "/" + strconv.Itoa(int(r.Origin.Partition)) + "/" + strconv.FormatInt(r.Origin.Offset, 10) + "/" + strconv.Itoa(w.count)
	if len(id) > 128 { // more than BigQuery takes
		id = ""
	}
	return w.Writer.Add(ctx, &weir.Record[struct{}, item]{Value: item{made, id}, Millis: r.Millis, Origin: r.Origin})
}

// Discard implements [sink.Writer].
func (w *inserter[K, V]) Discard() {
	w.last, w.count = weir.Origin{}, 0
	w.Writer.Discard()
}

// write writes a batch. Rows that BigQuery has taken come again with their IDs after an error.
func (s *insertSink[K, V]) write(ctx context.Context, records []weir.Record[struct{}, item]) error {
	return s.attempt(ctx, "insert rows", func(ctx context.Context) error {
		c, cells, refused, err := s.fitting(ctx, records)
		if err != nil {
			return err
		}
		request := &rest.TableDataInsertAllRequest{SkipInvalidRows: true}
		var places []int // of the rows of a request, in the batch
		size := 0
		send := func() error {
			if len(places) == 0 {
				return nil
			}
			more, err := s.insert(ctx, c, request, places)
			refused = append(refused, more...)
			request.Rows, places, size = nil, places[:0], 0
			return err
		}
		for i := range records {
			if cells[i] == nil {
				continue // refused
			}
			data, bytes, err := jsonRow(c, cells[i])
			if err == nil && bytes > maxRow {
				err = fmt.Errorf("the row has %d bytes, and BigQuery takes %d", bytes, maxRow)
			}
			if err != nil {
				refused = append(refused, sink.RecordError{Index: i, Err: err})
				continue
			}
			if size+bytes > maxRow {
				if err := send(); err != nil {
					return err
				}
			}
			request.Rows = append(request.Rows, &rest.TableDataInsertAllRequestRows{InsertId: records[i].Value.id, Json: data})
			places = append(places, i)
			size += bytes
		}
		if err := send(); err != nil {
			return err
		}
		if len(refused) > 0 {
			slices.SortFunc(refused, func(a, b sink.RecordError) int { return cmp.Compare(a.Index, b.Index) })
			return refused
		}
		return nil
	})
}

// fitting returns the columns of the table with those that the rows need, and the cells of each row, nil for refused ones.
func (s *insertSink[K, V]) fitting(ctx context.Context, records []weir.Record[struct{}, item]) (c *columns, cells []values, refused sink.RecordErrors, err error) {
	fit := func(c *columns) (*columns, error) {
		cells, refused = make([]values, len(records)), nil
		for i := range records {
			next, made, err := c.fit(records[i].Value.row, s.options.Types, s.options.FixedTable)
			if err != nil {
				refused = append(refused, sink.RecordError{Index: i, Err: err})
				continue
			}
			c, cells[i] = next, made
		}
		return c, nil
	}
	if c, err = fit(s.seen()); c.added > 0 {
		c, err = s.evolve(ctx, fit)
	}
	return c, cells, refused, err
}

// insert makes a call, and returns the errors of its rows.
func (s *insertSink[K, V]) insert(ctx context.Context, c *columns, request *rest.TableDataInsertAllRequest, places []int) (refused sink.RecordErrors, err error) {
	var answer *rest.TableDataInsertAllResponse
	err = s.call(ctx, "bigquery.tables.updateData", func(ctx context.Context) (err error) {
		answer, err = s.rest.Tabledata.InsertAll(s.table.Project, s.table.Dataset, s.table.Name, request).Context(ctx).Do()
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, e := range answer.InsertErrors {
		if e.Index < 0 || e.Index >= int64(len(places)) {
			return nil, fmt.Errorf("BigQuery refuses row %d of a request that has no such row", e.Index)
		}
		var reasons []error
		for _, reason := range e.Errors {
			said := fmt.Errorf("BigQuery refuses the row: %s: %s (%s)", reason.Reason, reason.Message, reason.Location)
			_, known := c.lookup(reason.Location)
			switch {
			case reason.Reason == "stopped": // for the errors of other rows
				return nil, &web.Transient{Err: said}
			case known && strings.HasPrefix(reason.Message, "no such field"):
				_, err := s.load(ctx) // for the next attempt
				return nil, errors.Join(&web.Transient{Err: fmt.Errorf("insertAll does not know all columns of the table yet, or one was taken away: %w", said)}, err)
			}
			reasons = append(reasons, said)
		}
		refused = append(refused, sink.RecordError{Index: places[e.Index], Err: errors.Join(reasons...)})
	}
	return refused, nil
}

// jsonRow returns a row in the form of insertAll, and its size.
func jsonRow(c *columns, cells values) (data map[string]rest.JsonValue, size int, err error) {
	data = make(map[string]rest.JsonValue, len(cells))
	for i, cell := range cells {
		if cell == nil {
			continue
		}
		text, err := json.Marshal(jsonCell(c.list[i].kind, cell))
		if err != nil {
			return nil, 0, fmt.Errorf("column %q: %w", c.list[i].name, err)
		}
		data[c.list[i].name] = json.RawMessage(text)
		size += len(c.list[i].name) + len(text) + 4
	}
	return data, size, nil
}

// jsonCell returns the value of a cell. Integers are texts, which keep all their digits.
func jsonCell(kind string, cell any) any {
	switch v := cell.(type) {
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = jsonCell(kind, v[i])
		}
		return out
	case int64:
		switch kind {
		case "TIMESTAMP":
			return time.UnixMicro(v).UTC().Format("2006-01-02T15:04:05.999999Z")
		case "DATE":
			return time.Unix(v*secondsOfDay, 0).UTC().Format(time.DateOnly)
		}
		return strconv.FormatInt(v, 10)
	}
	return cell // bytes are base64
}

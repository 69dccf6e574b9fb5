package influxdb3

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/internal/influx"
)

// Sink writes records to InfluxDB 3. It is made by [New].
type Sink[K, V any] struct{ points *influx.Sink[K, V] }

var _ sink.Sink[int, int] = (*Sink[int, int])(nil)

// New returns a sink that writes points to the server at an address, with http or https. Connect finds mistakes.
func New[K, V any](address string, o Options[K, V]) *Sink[K, V] {
	options := influx.Options[K, V]{
		Database: o.Database, Measurement: o.Measurement, MeasurementOf: o.MeasurementOf, Tags: o.Tags, Fields: o.Fields, AllowMissing: o.AllowMissing,
		Metadata: influx.Metadata(o.Metadata), TimeColumn: o.TimeColumn, Time: o.Time, Precision: influx.Precision(o.Precision), IntsAsFloats: o.IntsAsFloats,
		Auth: o.Auth.credentials, Insecure: o.Insecure, TLS: o.TLS, Proxy: o.Proxy, Gzip: o.Gzip,
		MaxRecords: o.MaxRecords, MaxBytes: o.MaxBytes, HoldRecords: o.HoldRecords, HoldBytes: o.HoldBytes, MaxAge: o.MaxAge,
		Timeout: o.Timeout, Retry: o.Retry, OutageWait: o.OutageWait,
	}
	if o.Point != nil {
		options.Point = func(r *weir.Record[K, V]) (influx.Point, error) {
			p, err := o.Point(r)
			return influx.Point(p), err
		}
	}
	return &Sink[K, V]{influx.New(address, api, options)}
}

// api is the interface of InfluxDB 3.
var api = influx.API{
	Name: "influxdb3", Path: "/api/v3/write_lp", Dialect: influx.Doubled, Reserved: "time", Fits: fits, Partial: partial,
	Precisions: [...]string{Millisecond: "millisecond", Second: "second", Microsecond: "microsecond", Nanosecond: "nanosecond"},
}

func fits(major int, version string) error {
	if major < 3 {
		return fmt.Errorf("InfluxDB %s has no interface of version 3", version)
	}
	return nil
}

// partial reads the answer to a request that the server has taken but for some lines.
func partial(body []byte) map[int]error {
	var answer struct {
		Error string          `json:"error"`
		Data  json.RawMessage `json:"data"`
	}
	if json.Unmarshal(body, &answer) != nil || !strings.Contains(answer.Error, "partial write") || !bytes.HasPrefix(answer.Data, []byte("[")) {
		return nil
	}
	var lines []struct {
		Number int    `json:"line_number"`
		Error  string `json:"error_message"`
	}
	if json.Unmarshal(answer.Data, &lines) != nil {
		return nil
	}
	refused := map[int]error{}
	for _, l := range lines {
		refused[l.Number] = errors.Join(refused[l.Number], errors.New(influx.Reason(l.Error)))
	}
	return refused
}

// String names the server and the database.
func (s *Sink[K, V]) String() string { return s.points.String() }

// Connect implements [sink.Sink]. It checks the options, the version of the server, the credentials and, by a line that is no point, the permission to
// write.
func (s *Sink[K, V]) Connect(ctx context.Context) error { return s.points.Connect(ctx) }

// Writer implements [sink.Sink].
func (s *Sink[K, V]) Writer(ctx context.Context, task sink.Task) (sink.Writer[K, V], error) {
	return s.points.Writer(ctx, task)
}

// Close implements [sink.Sink].
func (s *Sink[K, V]) Close(ctx context.Context) error { return s.points.Close(ctx) }

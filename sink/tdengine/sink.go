package tdengine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector/web"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/internal/influx"
)

// Sink writes records to TDengine. It is made by [New].
type Sink[K, V any] struct{ points *influx.Sink[K, V] }

var _ sink.Sink[int, int] = (*Sink[int, int])(nil)

// tableTag is the tag with the name of the table of a point.
const tableTag = "__subtable"

// New returns a sink that writes points to the taosAdapter at an address, with http or https; its port is 6041 by default. Connect finds mistakes.
func New[K, V any](address string, o Options[K, V]) *Sink[K, V] {
	options := influx.Options[K, V]{
		Database: o.Database, Measurement: o.Measurement, MeasurementOf: o.MeasurementOf, Table: o.Subtable, Tags: o.Tags, Fields: o.Fields,
		AllowMissing: o.AllowMissing, Metadata: influx.Metadata(o.Metadata), TimeColumn: o.TimeColumn, Time: o.Time,
		Precision: influx.Precision(o.Precision), IntsAsFloats: o.IntsAsFloats,
		Auth: o.Auth.credentials, Insecure: o.Insecure, TLS: o.TLS, Proxy: o.Proxy,
		MaxRecords: o.MaxRecords, MaxBytes: o.MaxBytes, HoldRecords: o.HoldRecords, HoldBytes: o.HoldBytes, MaxAge: o.MaxAge,
		Timeout: o.Timeout, Retry: o.Retry, OutageWait: o.OutageWait,
	}
	if o.Point != nil {
		options.Point = func(r *weir.Record[K, V]) (influx.Point, error) {
			p, err := o.Point(r)
			return p.line(), err
		}
	}
	d := database{name: o.Database, precision: o.Precision, create: o.CreateDatabase}
	return &Sink[K, V]{influx.New(address, influx.API{
		Name: "tdengine", Path: "/influxdb/v1/write", Dialect: influx.Doubled, Reserved: "_ts", Precisions: precisions,
		TableTag: tableTag, Parameters: url.Values{"table_name_key": {tableTag}}, Prepare: d.prepare, Meaning: meaning,
	}, options)}
}

// line returns a point with the name of its table as a tag.
func (p Point) line() influx.Point {
	tags := p.Tags
	if p.Subtable != "" {
		tags = maps.Clone(tags)
		if tags == nil {
			tags = map[string]string{}
		}
		tags[tableTag] = p.Subtable
	}
	return influx.Point{Measurement: p.Measurement, Tags: tags, Fields: p.Fields, Time: p.Time}
}

// precisions are the names of the units of times.
var precisions = [...]string{Millisecond: "ms", Second: "s", Microsecond: "u", Nanosecond: "ns"}

// keptIn are the precisions of databases for them: milliseconds are the coarsest.
var keptIn = [...]string{Millisecond: "ms", Second: "ms", Microsecond: "us", Nanosecond: "ns"}

// Codes of TDengine's errors that stand for several, by their high bytes or as they are; taoserror.h of TDengine 3 names them.
const (
	codeBadLine       = "[0x30"   // of a line: its form, a type that another line has not
	codeLineFailed    = "[0x3005" // but this one: the server failed
	codeBadStatement  = "[0x26"   // of the statement that a line becomes: a text that is too long, a name
	codeAuthorization = "[0x35"   // privileges
	codeNoDatabase    = "[0x388]"
	codeLogin         = "[0x357]"
)

// meaning returns the error of a request that writes. taosAdapter answers with the status 500 to everything that the server says no to, and the
// text of its answer begins with the code.
func meaning(answer web.Answer, err error) error {
	if answer.Status != http.StatusInternalServerError {
		return err
	}
	var body struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(answer.Body, &body) != nil {
		return err
	}
	if transient, ok := errors.AsType[*web.Transient](err); ok {
		err = transient.Err
	}
	switch code := body.Message; {
	case strings.HasPrefix(code, codeLineFailed):
	case strings.HasPrefix(code, codeBadLine), strings.HasPrefix(code, codeBadStatement):
		return &web.WrongRequest{Err: err}
	case strings.HasPrefix(code, codeNoDatabase):
		return fmt.Errorf("the database is gone: %w", err)
	case strings.HasPrefix(code, codeLogin), strings.HasPrefix(code, codeAuthorization):
		return fmt.Errorf("the user may not write to the database: %w", err)
	}
	return &web.Transient{Err: err}
}

// database is the one that points go to.
type database struct {
	name      string
	precision Precision
	create    bool
}

// prepare makes the database if it is asked to, and finds out whether it keeps times as fine as they are.
func (d database) prepare(ctx context.Context, call influx.Call) error {
	if strings.ContainsAny(d.name, "`.\x00\n") {
		return fmt.Errorf("%w: sink tdengine: Database %q has a character that no name of a database has", weir.ErrConfiguration, d.name)
	}
	kept := keptIn[d.precision]
	if d.create {
		if _, err := query(ctx, call, "CREATE DATABASE IF NOT EXISTS `"+d.name+"` PRECISION '"+kept+"'"); err != nil {
			return fmt.Errorf("make the database: %w", err)
		}
	}
	rows, err := query(ctx, call, "SELECT name, `precision` FROM information_schema.ins_databases")
	if err != nil {
		return fmt.Errorf("look the database up: %w", err)
	}
	for _, row := range rows {
		if len(row) < 2 || row[0] != d.name {
			continue
		}
		if has, _ := row[1].(string); units[has] > units[kept] {
			return fmt.Errorf("%w: sink tdengine: database %s keeps times in %s, and Options.Precision is %s: points whose times differ by less would take each other's place",
				weir.ErrConfiguration, d.name, has, kept)
		}
		return nil
	}
	return fmt.Errorf("%w: sink tdengine: there is no database %s: make it, or set Options.CreateDatabase", weir.ErrConfiguration, d.name)
}

// units are precisions of databases, in nanoseconds.
var units = map[string]int{"ns": 1, "us": 1e3, "ms": 1e6}

// query makes a statement.
func query(ctx context.Context, call influx.Call, statement string) (rows [][]any, err error) {
	answer, err := call(ctx, http.MethodPost, "/rest/sql", nil, []byte(statement))
	if err != nil {
		return nil, err
	}
	var result struct {
		Code int     `json:"code"`
		Desc string  `json:"desc"`
		Data [][]any `json:"data"`
	}
	if err := json.Unmarshal(answer.Body, &result); err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if result.Code != 0 {
		return nil, fmt.Errorf("TDengine answers with the error %#x: %s", result.Code, influx.Reason(result.Desc))
	}
	return result.Data, nil
}

// String names the server and the database.
func (s *Sink[K, V]) String() string { return s.points.String() }

// Connect implements [sink.Sink]. It checks the options, the credentials and the database, which it makes if it is asked to, and finds out whether
// points may be written, by a line that is none.
func (s *Sink[K, V]) Connect(ctx context.Context) error { return s.points.Connect(ctx) }

// Writer implements [sink.Sink].
func (s *Sink[K, V]) Writer(ctx context.Context, task sink.Task) (sink.Writer[K, V], error) {
	return s.points.Writer(ctx, task)
}

// Close implements [sink.Sink].
func (s *Sink[K, V]) Close(ctx context.Context) error { return s.points.Close(ctx) }

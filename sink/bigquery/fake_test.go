package bigquery_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"
	rest "google.golang.org/api/bigquery/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink/bigquery"
)

// fake is the REST API and the Storage Write API with tables in memory, written from the discovery document and the protocol buffers that Google publishes. Its methods may be called from any goroutine.
type fake struct {
	storagepb.UnimplementedBigQueryWriteServer
	rest, storage string // addresses

	mu      sync.Mutex // guards the following
	tables  map[string]*fakeTable
	streams map[string]*fakeStream
	// fail returns the error of a call ("AppendRows", "tables.patch") for a table, as a code of gRPC.
	fail func(call, table string) codes.Code
	// lag is for how many requests the Storage API and insertAll do not know columns that are added.
	lag int
	// requests are the sizes of requests with rows, and ids the insert IDs of rows.
	requests []int
	ids      []string
	denied   map[string]bool // permissions
}

type fakeTable struct {
	etag   int
	schema []*rest.TableFieldSchema
	rows   []map[string]any
}

type fakeStream struct {
	table              string
	rows               []map[string]any
	finalized, visible bool
}

const hidden = "weir-bigquery-secret"

func newFake(tb testing.TB) *fake {
	tb.Helper()
	f := &fake{tables: map[string]*fakeTable{}, streams: map[string]*fakeStream{}, denied: map[string]bool{}}
	l, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	must(tb, err)
	server := grpc.NewServer(grpc.MaxRecvMsgSize(10 << 20))
	storagepb.RegisterBigQueryWriteServer(server, f)
	var running sync.WaitGroup
	running.Go(func() { _ = server.Serve(l) }) // it returns when the server stops
	web := httptest.NewServer(f.routes())
	tb.Cleanup(func() {
		web.Close()
		server.Stop()
		running.Wait()
	})
	f.rest, f.storage = web.URL, l.Addr().String()
	return f
}

// table names a table of the fake.
func (f *fake) table(name string) bigquery.Table {
	return bigquery.Table{Project: "shop", Dataset: "lake", Name: name, ServiceAccountKey: secret.New(`{"private_key":"` + hidden + `"}`), Endpoint: f.rest, StorageEndpoint: f.storage}
}

// failWith makes calls fail with a code, until the returned function is called. table is a part of its name.
func (f *fake) failWith(call, table string, code codes.Code) (end func()) {
	f.setFail(func(c, t string) codes.Code {
		if strings.Contains(c, call) && strings.Contains(t, table) {
			return code
		}
		return codes.OK
	})
	return func() { f.setFail(nil) }
}

func (f *fake) setFail(fail func(call, table string) codes.Code) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = fail
}

// failing returns the error of a call. f.mu is locked.
func (f *fake) failing(call, table string) error {
	if f.fail != nil {
		if code := f.fail(call, table); code != codes.OK {
			return status.Error(code, "as the test asks for")
		}
	}
	return nil
}

// rows returns the visible rows of a table.
func (f *fake) rows(name string) []map[string]any {
	f.mu.Lock()
	defer f.mu.Unlock()
	if t := f.tables[name]; t != nil {
		return slices.Clone(t.rows)
	}
	return nil
}

// kinds returns the types of the columns of a table.
func (f *fake) kinds(name string) map[string]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	kinds := map[string]string{}
	for _, c := range f.tables[name].schema {
		kinds[c.Name] = c.Type
	}
	return kinds
}

// make makes a table with columns: "n INTEGER REQUIRED".
func (f *fake) make(name string, columns ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := &fakeTable{}
	for _, c := range columns {
		parts := append(strings.Fields(c), "NULLABLE")
		t.schema = append(t.schema, &rest.TableFieldSchema{Name: parts[0], Type: parts[1], Mode: parts[2]})
	}
	f.tables[name] = t
}

// refusal is a text that the fake refuses, as BigQuery refuses rows with wrong cells.
const refusal = "refused by BigQuery"

func (f *fake) routes() http.Handler {
	mux := http.NewServeMux()
	const tables = "/bigquery/v2/projects/shop/datasets/lake/tables"
	answer := func(w http.ResponseWriter, body any, err error) {
		w.Header().Set("Content-Type", "application/json")
		if err != nil {
			code, reason := http.StatusInternalServerError, "internalError"
			switch status.Code(err) {
			case codes.NotFound:
				code, reason = http.StatusNotFound, "notFound"
			case codes.AlreadyExists:
				code, reason = http.StatusConflict, "duplicate"
			case codes.FailedPrecondition:
				code, reason = http.StatusPreconditionFailed, "conditionNotMet"
			case codes.PermissionDenied:
				code, reason = http.StatusForbidden, "accessDenied"
			case codes.ResourceExhausted:
				code, reason = http.StatusForbidden, "rateLimitExceeded"
			}
			w.WriteHeader(code)
			body = map[string]any{"error": map[string]any{"code": code, "message": err.Error(), "errors": []any{map[string]string{"reason": reason, "message": err.Error()}}}}
		}
		_ = json.NewEncoder(w).Encode(body) // the client has gone
	}
	handle := func(pattern, call string, do func(r *http.Request, name string) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			f.mu.Lock()
			defer f.mu.Unlock()
			name, method, _ := strings.Cut(r.PathValue("table"), ":")
			err := f.failing(call, name)
			var body any
			switch {
			case err != nil:
			case method == "testIamPermissions":
				body, err = f.granted(r)
			default:
				body, err = do(r, name)
			}
			answer(w, body, err)
		})
	}
	handle("GET "+tables+"/{table}", "tables.get", func(_ *http.Request, name string) (any, error) { return f.tableOf(name) })
	handle("POST "+tables, "tables.insert", func(r *http.Request, _ string) (any, error) {
		var t rest.Table
		if err := json.NewDecoder(r.Body).Decode(&t); err != nil {
			return nil, err
		}
		name := t.TableReference.TableId
		if f.tables[name] != nil {
			return nil, status.Error(codes.AlreadyExists, "the table is there")
		}
		f.tables[name] = &fakeTable{schema: t.Schema.Fields}
		return f.tableOf(name)
	})
	handle("PATCH "+tables+"/{table}", "tables.patch", func(r *http.Request, name string) (any, error) {
		t := f.tables[name]
		var change rest.Table
		if err := json.NewDecoder(r.Body).Decode(&change); err != nil {
			return nil, err
		}
		if etag := r.Header.Get("If-Match"); etag != "" && etag != strconv.Itoa(t.etag) {
			return nil, status.Error(codes.FailedPrecondition, "the table has changed")
		}
		for i, c := range t.schema {
			if change.Schema.Fields[i].Name != c.Name || change.Schema.Fields[i].Type != c.Type || change.Schema.Fields[i].Description != c.Description {
				return nil, fmt.Errorf("column %s would change", c.Name)
			}
		}
		t.schema = change.Schema.Fields
		t.etag++
		return f.tableOf(name)
	})
	handle("POST "+tables+"/{table}", "testIamPermissions", func(*http.Request, string) (any, error) { return nil, errors.New("there is no such call") })
	handle("POST "+tables+"/{table}/insertAll", "insertAll", f.insertAll)
	return mux
}

func (f *fake) tableOf(name string) (any, error) {
	t := f.tables[name]
	if t == nil {
		return nil, status.Error(codes.NotFound, "there is no table "+name)
	}
	return &rest.Table{Etag: strconv.Itoa(t.etag), Schema: &rest.TableSchema{Fields: t.schema}}, nil
}

func (f *fake) granted(r *http.Request) (any, error) {
	var asked rest.TestIamPermissionsRequest
	err := json.NewDecoder(r.Body).Decode(&asked)
	asked.Permissions = slices.DeleteFunc(asked.Permissions, func(p string) bool { return f.denied[p] })
	return rest.TestIamPermissionsResponse{Permissions: asked.Permissions}, err
}

// column returns the column of a table by its name without case.
func (f *fake) column(t *fakeTable, name string) *rest.TableFieldSchema {
	if f.lag > 0 && !strings.HasPrefix(name, "_") {
		return nil
	}
	for _, c := range t.schema {
		if strings.EqualFold(c.Name, name) {
			return c
		}
	}
	return nil
}

func (f *fake) insertAll(r *http.Request, name string) (any, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	f.requests = append(f.requests, len(body))
	var request struct {
		SkipInvalidRows bool
		Rows            []struct {
			InsertID string `json:"insertId"`
			JSON     map[string]any
		}
	}
	if err := json.Unmarshal(body, &request); err != nil {
		return nil, err
	}
	t := f.tables[name]
	var answer rest.TableDataInsertAllResponse
	for i, row := range request.Rows {
		f.ids = append(f.ids, row.InsertID)
		var wrong []*rest.ErrorProto
		cells := map[string]any{}
		for column, cell := range row.JSON {
			c := f.column(t, column)
			switch {
			case c == nil:
				wrong = append(wrong, &rest.ErrorProto{Reason: "invalid", Location: column, Message: "no such field: " + column + "."})
			case cell == refusal:
				wrong = append(wrong, &rest.ErrorProto{Reason: "invalid", Location: column, Message: "cannot convert value"})
			default:
				cells[c.Name] = cell
			}
		}
		if wrong != nil {
			answer.InsertErrors = append(answer.InsertErrors, &rest.TableDataInsertAllResponseInsertErrors{Index: int64(i), Errors: wrong})
			continue
		}
		t.rows = append(t.rows, cells)
	}
	if f.lag > 0 {
		f.lag--
	}
	if !request.SkipInvalidRows && answer.InsertErrors != nil {
		return nil, errors.New("the fake has no requests that are refused as a whole")
	}
	return answer, nil
}

func tableOfPath(path string) string { return path[strings.LastIndex(path, "/")+1:] }

// CreateWriteStream makes a stream of type PENDING.
func (f *fake) CreateWriteStream(_ context.Context, r *storagepb.CreateWriteStreamRequest) (*storagepb.WriteStream, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	table := tableOfPath(r.GetParent())
	if err := f.failing("CreateWriteStream", table); err != nil {
		return nil, err
	}
	if f.tables[table] == nil {
		return nil, status.Error(codes.NotFound, "there is no such table")
	}
	if r.GetWriteStream().GetType() != storagepb.WriteStream_PENDING {
		return nil, status.Error(codes.InvalidArgument, "the fake has streams of type PENDING alone")
	}
	name := r.GetParent() + "/streams/" + strconv.Itoa(len(f.streams))
	f.streams[name] = &fakeStream{table: table}
	return &storagepb.WriteStream{Name: name, Type: storagepb.WriteStream_PENDING}, nil
}

// AppendRows appends to a stream.
func (f *fake) AppendRows(server storagepb.BigQueryWrite_AppendRowsServer) error {
	var form protoreflect.MessageDescriptor
	for {
		r, err := server.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if schema := r.GetProtoRows().GetWriterSchema(); schema != nil {
			file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
				Name: proto.String("row.proto"), Syntax: proto.String("proto2"), MessageType: []*descriptorpb.DescriptorProto{schema.GetProtoDescriptor()},
			}, nil)
			if err != nil {
				return status.Error(codes.InvalidArgument, err.Error())
			}
			form = file.Messages().Get(0)
		}
		answer, err := f.append(r, form)
		if err != nil {
			return err
		}
		if err := server.Send(answer); err != nil {
			return err
		}
	}
}

// refused is the answer to a request that is refused as a whole.
func refused(code codes.Code, reason storagepb.StorageError_StorageErrorCode, message string) *storagepb.AppendRowsResponse {
	s, err := status.New(code, message).WithDetails(&storagepb.StorageError{Code: reason, ErrorMessage: message})
	if err != nil {
		panic(err)
	}
	return &storagepb.AppendRowsResponse{Response: &storagepb.AppendRowsResponse_Error{Error: s.Proto()}}
}

func (f *fake) append(r *storagepb.AppendRowsRequest, form protoreflect.MessageDescriptor) (*storagepb.AppendRowsResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.streams[r.GetWriteStream()]
	if s == nil || form == nil {
		return nil, status.Error(codes.InvalidArgument, "there is no such stream, or no form of rows")
	}
	if err := f.failing("AppendRows", s.table); err != nil {
		return nil, err
	}
	f.requests = append(f.requests, proto.Size(r))
	if offset := r.GetOffset().GetValue(); s.finalized || offset != int64(len(s.rows)) {
		return refused(codes.OutOfRange, storagepb.StorageError_OFFSET_OUT_OF_RANGE, fmt.Sprint("the stream has ", len(s.rows), " rows, and the offset is ", offset)), nil
	}
	t := f.tables[s.table]
	columns := map[protoreflect.FieldNumber]*rest.TableFieldSchema{}
	fields := form.Fields()
	for i := range fields.Len() {
		name := string(fields.Get(i).Name())
		if annotated, _ := proto.GetExtension(fields.Get(i).Options(), storagepb.E_ColumnName).(string); annotated != "" {
			name = annotated
		}
		if columns[fields.Get(i).Number()] = f.column(t, name); columns[fields.Get(i).Number()] == nil {
			f.lag = max(f.lag-1, 0)
			return refused(codes.InvalidArgument, storagepb.StorageError_SCHEMA_MISMATCH_EXTRA_FIELDS, "the table has no column "+name), nil
		}
	}
	answer := &storagepb.AppendRowsResponse{Response: &storagepb.AppendRowsResponse_AppendResult_{AppendResult: &storagepb.AppendRowsResponse_AppendResult{}}}
	var rows []map[string]any
	for i, data := range r.GetProtoRows().GetRows().GetSerializedRows() {
		m := dynamicpb.NewMessage(form)
		if err := proto.Unmarshal(data, m); err != nil || len(m.GetUnknown()) > 0 {
			return nil, status.Errorf(codes.InvalidArgument, "row %d: %v, unknown fields %x", i, err, m.GetUnknown())
		}
		cells := map[string]any{}
		for field, v := range m.Range {
			cells[columns[field.Number()].Name] = v.Interface()
			if field.IsList() {
				var list []any
				for i := range v.List().Len() {
					list = append(list, v.List().Get(i).Interface())
				}
				cells[columns[field.Number()].Name] = list
			}
		}
		if slices.Contains(slices.Collect(maps.Values(cells)), any(refusal)) {
			answer.RowErrors = append(answer.RowErrors, &storagepb.RowError{Index: int64(i), Code: storagepb.RowError_FIELDS_ERROR, Message: "cannot convert value"})
		}
		rows = append(rows, cells)
	}
	if answer.RowErrors == nil {
		s.rows = append(s.rows, rows...)
	}
	return answer, nil
}

// FinalizeWriteStream ends a stream.
func (f *fake) FinalizeWriteStream(_ context.Context, r *storagepb.FinalizeWriteStreamRequest) (*storagepb.FinalizeWriteStreamResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.streams[r.GetName()]
	if err := f.failing("FinalizeWriteStream", s.table); err != nil {
		return nil, err
	}
	s.finalized = true
	return &storagepb.FinalizeWriteStreamResponse{RowCount: int64(len(s.rows))}, nil
}

// BatchCommitWriteStreams makes the rows of finalized streams visible, of all or of none.
func (f *fake) BatchCommitWriteStreams(_ context.Context, r *storagepb.BatchCommitWriteStreamsRequest) (*storagepb.BatchCommitWriteStreamsResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	table := tableOfPath(r.GetParent())
	if err := f.failing("BatchCommitWriteStreams", table); err != nil {
		return nil, err
	}
	answer := &storagepb.BatchCommitWriteStreamsResponse{}
	for _, name := range r.GetWriteStreams() {
		var code storagepb.StorageError_StorageErrorCode
		switch s := f.streams[name]; {
		case s == nil:
			code = storagepb.StorageError_STREAM_NOT_FOUND
		case s.visible:
			code = storagepb.StorageError_STREAM_ALREADY_COMMITTED
		case !s.finalized:
			code = storagepb.StorageError_INVALID_STREAM_STATE
		default:
			continue
		}
		answer.StreamErrors = append(answer.StreamErrors, &storagepb.StorageError{Code: code, Entity: name, ErrorMessage: "it cannot be committed"})
	}
	if answer.StreamErrors != nil {
		return answer, nil
	}
	for _, name := range r.GetWriteStreams() {
		s := f.streams[name]
		s.visible = true
		f.tables[table].rows = append(f.tables[table].rows, s.rows...)
	}
	answer.CommitTime = timestamppb.Now()
	return answer, nil
}

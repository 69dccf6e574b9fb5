package bigquery_test

import (
	"strings"
	"testing"

	storage "cloud.google.com/go/bigquery/storage/apiv1"
	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/benchtest"
	"github.com/weirstreams/weir/sink/bigquery"
)

// BenchmarkSink appends a checkpoint of 20,000 records, beside as many rows that the client alone appends to a write stream, encoded by package proto. Both commit them.
func BenchmarkSink(b *testing.B) {
	const records = 20_000
	text := strings.Repeat("x", 100)
	b.Run("client", func(b *testing.B) {
		f := newFake(b)
		f.make("texts", "_key STRING", "_timestamp TIMESTAMP", "value STRING")
		c, err := storage.NewBigQueryWriteClient(b.Context(), option.WithEndpoint(f.storage), option.WithoutAuthentication(),
			option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
		must(b, err)
		defer c.Close()
		form := &descriptorpb.DescriptorProto{Name: proto.String("Row")}
		for i, name := range []string{"_key", "_timestamp", "value"} {
			kind := descriptorpb.FieldDescriptorProto_TYPE_STRING
			if name == "_timestamp" {
				kind = descriptorpb.FieldDescriptorProto_TYPE_INT64
			}
			form.Field = append(form.Field, &descriptorpb.FieldDescriptorProto{Name: proto.String(name), Number: proto.Int32(int32(i + 1)), Type: kind.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()})
		}
		row := rowForm(b, form)
		parent := "projects/shop/datasets/lake/tables/texts"
		b.ReportAllocs()
		b.ResetTimer()
		for range b.N {
			s, err := c.CreateWriteStream(b.Context(), &storagepb.CreateWriteStreamRequest{Parent: parent, WriteStream: &storagepb.WriteStream{Type: storagepb.WriteStream_PENDING}})
			must(b, err)
			calls, err := c.AppendRows(b.Context())
			must(b, err)
			const size = 5000
			for first := 0; first < records; first += size {
				rows := &storagepb.AppendRowsRequest_ProtoData{WriterSchema: &storagepb.ProtoSchema{ProtoDescriptor: form}, Rows: &storagepb.ProtoRows{}}
				for range size {
					rows.Rows.SerializedRows = append(rows.Rows.SerializedRows, row("key", 1500, text))
				}
				must(b, calls.Send(&storagepb.AppendRowsRequest{WriteStream: s.GetName(), Offset: wrapperspb.Int64(int64(first)), Rows: &storagepb.AppendRowsRequest_ProtoRows{ProtoRows: rows}}))
			}
			must(b, calls.CloseSend())
			for range records / size {
				_, err := calls.Recv()
				must(b, err)
			}
			_, err = c.FinalizeWriteStream(b.Context(), &storagepb.FinalizeWriteStreamRequest{Name: s.GetName()})
			must(b, err)
			_, err = c.BatchCommitWriteStreams(b.Context(), &storagepb.BatchCommitWriteStreamsRequest{Parent: parent, WriteStreams: []string{s.GetName()}})
			must(b, err)
		}
		benchtest.PerRecord(b, records)
	})
	b.Run("sink", func(b *testing.B) {
		f := newFake(b)
		r := weir.Record[string, string]{Key: "key", Value: text, Millis: 1500, Origin: &weir.Origin{}}
		benchtest.WriteCheckpoints(b, bigquery.New(f.table("texts"), bigquery.Options[string, string]{}), r, records)
	})
}

// rowForm returns the function that encodes rows of three columns by package proto.
func rowForm(b *testing.B, form *descriptorpb.DescriptorProto) func(key string, micros int64, value string) []byte {
	b.Helper()
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{Name: proto.String("row.proto"), Syntax: proto.String("proto2"), MessageType: []*descriptorpb.DescriptorProto{form}}, nil)
	must(b, err)
	fields := file.Messages().Get(0).Fields()
	return func(key string, micros int64, value string) []byte {
		m := dynamicpb.NewMessage(file.Messages().Get(0))
		m.Set(fields.Get(0), protoreflect.ValueOfString(key))
		m.Set(fields.Get(1), protoreflect.ValueOfInt64(micros))
		m.Set(fields.Get(2), protoreflect.ValueOfString(value))
		data, err := proto.Marshal(m)
		must(b, err)
		return data
	}
}

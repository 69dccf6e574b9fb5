//go:build weir_modules

// This file is never built. It keeps a google.golang.org/genproto in go.mod that is newer than the one that Weir's database
// leads to: that one has packages that google.golang.org/genproto/googleapis/rpc, which comes with protoreflect, has too, and
// `go mod tidy` of a program with both says "ambiguous import".

package protobuf

import _ "google.golang.org/genproto/protobuf/field_mask"

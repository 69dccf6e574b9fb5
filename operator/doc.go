// Package operator holds the physical operators: the small typed kernels that a topology is lowered to.
//
// A kernel receives a record, does one thing, and calls the next kernel: a chain of them is a chain of direct method
// calls, with no queue, no reflection and no allocation in between. One set of kernels is built per task and is used
// by that task's worker goroutine alone, so kernels hold no locks and keep scratch memory: the record that a kernel
// hands on lives in the kernel and is overwritten by the next one.
//
// Most programs never name this package: they declare operators with the methods of stream.Stream.
package operator

// Package operatortest has the scripts, receivers and keys that the tests of package operator share. The tests lie in the packages
// beside this one, by subject: the library is compiled anew in each package for each type of a stream, and one package with all of
// them takes the compiler more memory than internal/compilecost allows.
package operatortest

// Presses the hidden button that holds the packed file, once it is there.
() => document.querySelector('#saved')?.click()

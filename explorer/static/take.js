// Clicks the hidden download button once its file is there.
() => document.querySelector('#$button')?.click()

// Clicks the hidden download button once the zip file is there.
() => document.querySelector('#saved')?.click()
